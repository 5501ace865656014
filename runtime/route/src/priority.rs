//! How much a route counts where several share one budget. A weight, not a rank: nobody starves.

use crate::report::code;
use crate::written::Table;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    High,
    #[default]
    Normal,
    Low,
}

impl Priority {
    pub const NAMES: [&str; 3] = ["high", "normal", "low"];

    /// Turns that it gets while others get theirs.
    pub fn weight(self) -> u32 {
        match self {
            Priority::High => 9,
            Priority::Normal => 3,
            Priority::Low => 1,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
        }
    }

    /// `priority` of `[route]`.
    pub(crate) fn read(route: &Table<'_>) -> Priority {
        let Some(text) = route.text("priority") else { return Priority::Normal };
        match text.value.as_str() {
            "high" => Priority::High,
            "normal" => Priority::Normal,
            "low" => Priority::Low,
            other => {
                let message = format!("`{other}` is not a priority");
                let help = crate::step::suggestion(
                    other,
                    Priority::NAMES,
                    "write \"high\", \"normal\" or \"low\"",
                );
                route.sheet.error_help(code::BAD_VALUE, text.span(), message, help);
                Priority::Normal
            }
        }
    }
}
