//! `[route] ordered_by` and `concurrency`: which exchanges go one after the other, and how many of a
//! route at once. The key is evaluated once, when the message is accepted.

use expression::Program;

use crate::check::Checker;
use crate::report::code;
use crate::with::{Trouble, evaluate};
use crate::written::{Leaf, Table, Text, Written as At};
use crate::{Exchange, plan::key_text};

/// Bytes of a key.
pub const LANE_KEY_BYTES_MAX: usize = 1_024;
/// The most that `concurrency` can be.
pub const CONCURRENCY_MAX: u64 = 10_000;

#[derive(Debug)]
pub struct OrderedBy {
    /// One for all routes that name it.
    pub scope: String,
    pub(crate) key: Program,
    pub parked: Parked,
    pub(crate) line: u32,
}

/// What the later ones of a key do while one of them is parked or excepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    Wait,
    Pass,
}

/// What one exchange is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    pub scope: String,
    pub key: String,
    pub parked: Parked,
}

#[derive(Default)]
pub(crate) struct Written {
    /// None: not written. Some(None): written, and wrong.
    ordered_by: Option<Option<WrittenOrder>>,
    concurrency: Option<At<u64>>,
}

struct WrittenOrder {
    scope: Text,
    key: Leaf,
    parked: Parked,
    line: u32,
}

pub(crate) fn read(route: &Table<'_>) -> Written {
    let ordered_by = route
        .has("ordered_by")
        .then(|| route.table("ordered_by", "`ordered_by`").and_then(read_ordered_by));
    Written { ordered_by, concurrency: route.integer("concurrency", 1..=CONCURRENCY_MAX) }
}

fn read_ordered_by(table: Table<'_>) -> Option<WrittenOrder> {
    let scope = table.required_text("scope", "\"order\"").filter(|scope| {
        let fits = is_name(&scope.value);
        if !fits {
            let message = format!("`{}` cannot be the name of a scope", scope.value);
            let help = "lower-case letters, digits and -, one name for all routes that share it: \"order\"";
            table.sheet.error_help(code::BAD_NAME, scope.span(), message, help);
        }
        fits
    });
    if !table.has("key") {
        table.missing("key", "\"message.id\"");
    }
    let key = table.leaf("key");
    let parked = match table.text("parked") {
        None => Some(Parked::Wait),
        Some(text) => match text.value.as_str() {
            "wait" => Some(Parked::Wait),
            "pass" => Some(Parked::Pass),
            other => {
                let message = format!("`parked` is \"wait\" or \"pass\", not `{other}`");
                let help = "what later messages of the key do while one is parked or excepted";
                table.sheet.error_help(code::BAD_VALUE, text.span(), message, help);
                None
            }
        },
    };
    let line = table.sheet.line_of(table.span.start) as u32;
    table.finish();
    Some(WrittenOrder { scope: scope?, key: key?, parked: parked?, line })
}

/// As names of routes and scopes are written.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

impl Written {
    /// Before any step is in scope: the message is ordered when it is accepted. None where a report
    /// says why.
    pub(crate) fn check(
        &self,
        checker: &Checker<'_>,
    ) -> Option<(Option<OrderedBy>, Option<usize>)> {
        let ordered_by = match &self.ordered_by {
            None => None,
            Some(written) => {
                let WrittenOrder { scope, key, parked, line } = written.as_ref()?;
                let (scope, parked, line) = (scope.value.clone(), *parked, *line);
                Some(OrderedBy { scope, key: checker.lane_key(key)?, parked, line })
            }
        };
        Some((ordered_by, self.concurrency.as_ref().map(|written| written.value as usize)))
    }
}

impl Exchange {
    /// What the exchange is ordered by: none if its route says nothing, or the key is an absent
    /// optional, or what came is not translated yet. An error is what the exchange is excepted for
    /// as soon as it starts.
    pub fn lane(&self) -> Result<Option<Lane>, String> {
        self.find_lane().map_err(|trouble| trouble.to_string())
    }

    pub(crate) fn find_lane(&self) -> Result<Option<Lane>, Trouble> {
        let Some(OrderedBy { scope, key, parked, line }) = &self.plan().ordered_by else {
            return Ok(None);
        };
        if self.envelope().raw {
            return Ok(None);
        }
        let Some(key) = key_text(&evaluate(key, self.slots(), *line)?) else {
            return Ok(None);
        };
        if key.len() > LANE_KEY_BYTES_MAX {
            let bytes = key.len();
            let reason = format!(
                "the key of `ordered_by` has {bytes} bytes; {LANE_KEY_BYTES_MAX} are allowed"
            );
            return Err(Trouble { line: *line, reason });
        }
        Ok(Some(Lane { scope: scope.clone(), key, parked: *parked }))
    }
}
