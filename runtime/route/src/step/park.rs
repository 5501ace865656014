//! `park`: a person in a role decides, and the route goes on with the answer.

use crate::with::With;
use contract::Type;

use super::{Checked, Kind};
use crate::check::Checker;
use crate::duration;
use crate::report::code;
use crate::scope;
use crate::written::{Table, Text, Written as At, WrittenTree};

#[derive(Debug)]
pub struct Park {
    pub role: String,
    /// When the task is due; it stays open after that.
    pub within_ms: Option<u64>,
    /// The role that is asked when it is due; else the route's `to`, if it escalates.
    pub escalate: Option<String>,
    /// The answers, one of which a decision must be.
    pub ask: Vec<String>,
    /// What the person sees.
    pub(crate) show: Option<With>,
}

pub(crate) struct Written {
    role: Option<Text>,
    within: Option<At<u64>>,
    escalate: Option<Text>,
    ask: Option<At<Vec<Text>>>,
    ask_missing: bool,
    show: Option<WrittenTree>,
}

pub(crate) fn read(table: &Table<'_>) -> Option<Written> {
    let park = table.table("park", "`park`")?;
    let ask_missing = !park.has("ask");
    if ask_missing {
        park.missing("ask", "[\"approve\", \"refuse\"]");
    }
    let written = Written {
        role: park.required_text("role", "\"credit-analyst\""),
        within: park.duration("within"),
        escalate: park.text("escalate"),
        ask: park.texts("ask"),
        ask_missing,
        show: park.tree("show"),
    };
    park.finish();
    Some(written)
}

pub(crate) fn check(written: &Written, checker: &Checker<'_>) -> Option<Checked> {
    let show = match &written.show {
        Some(tree) => Some(checker.mapping(tree, None)?),
        None => None,
    };
    if written.ask_missing {
        return None;
    }
    let ask = written.ask.as_ref()?;
    if ask.value.is_empty() {
        let help = "name at least one answer: ask = [\"approve\", \"refuse\"]";
        checker.sheet.error_help(code::BAD_VALUE, ask.span(), "`ask` offers no answer", help);
        return None;
    }
    for (at, answer) in ask.value.iter().enumerate() {
        let before = &ask.value[..at];
        if answer.value.is_empty() || before.iter().any(|other| other.value == answer.value) {
            let message = "an answer is empty or stands twice";
            checker.sheet.error(code::BAD_VALUE, answer.span(), message);
            return None;
        }
    }
    if let (Some(escalate), None) = (&written.escalate, &written.within) {
        let message = "`escalate` without `within`: nothing says when";
        let help = "add within = \"24h\"";
        checker.sheet.error_help(code::BAD_VALUE, escalate.span(), message, help);
        return None;
    }
    let park = Park {
        role: written.role.as_ref()?.value.clone(),
        within_ms: written.within.as_ref().map(|within| within.value),
        escalate: written.escalate.as_ref().map(|role| role.value.clone()),
        ask: ask.value.iter().map(|answer| answer.value.clone()).collect(),
        show,
    };
    Some(Checked { kind: Kind::Park(park), result: Some(result()) })
}

/// answer, by, at, note.
pub(crate) fn result() -> expression::Type {
    expression::Type::of(&Type::Record(scope::decision_record()))
}

impl Park {
    /// For lists: what may be answered, and by when.
    pub fn summary(&self) -> String {
        let within = self.within_ms.map(|ms| format!(" within {}", duration::show(ms)));
        format!("{}: {}{}", self.role, self.ask.join(" or "), within.unwrap_or_default())
    }
}
