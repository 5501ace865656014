//! `end`: the exchange is over, done or refused for a named business reason.

use toml::de::DeValue;

use super::{Checked, Kind, check_code};
use crate::check::Checker;
use crate::machine::End;
use crate::report::code;
use crate::written::{Place, Table, Text};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndStep {
    pub end: End,
}

pub(crate) enum Written {
    Done,
    Refused(Text),
    Undone(Place),
}

pub(crate) fn read(table: &Table<'_>) -> Option<Written> {
    let help =
        "write end = \"done\", end = { refused = \"credit\" }, or in a saga end = \"undone\"";
    let value = table.value("end")?;
    if matches!(value.get_ref(), DeValue::Table(_)) {
        let inner = table.table("end", "`end`")?;
        let refused = inner.required_text("refused", "\"credit\"");
        inner.finish();
        return Some(Written::Refused(refused?));
    }
    if value.get_ref().as_str() == Some("done") {
        return Some(Written::Done);
    }
    if value.get_ref().as_str() == Some("undone") {
        return Some(Written::Undone(Place { span: value.span(), content: None }));
    }
    table.sheet.error_help(code::BAD_VALUE, value.span(), "`end` names no end", help);
    None
}

pub(crate) fn check(written: &Written, checker: &Checker<'_>) -> Option<Checked> {
    let end = match written {
        Written::Done => End::Done,
        Written::Refused(reason) => {
            check_code(checker, reason);
            past_pivot(checker, reason.span())?;
            End::Refused(reason.value.clone())
        }
        Written::Undone(place) => {
            if !checker.saga {
                let message = "only a saga ends undone";
                let help = "write saga = true under [route], or end = \"done\"";
                checker.sheet.error_help(code::SAGA, place.span.clone(), message, help);
                return None;
            }
            past_pivot(checker, place.span.clone())?;
            End::Undone
        }
    };
    Some(Checked { kind: Kind::End(EndStep { end }), result: None })
}

/// After a pivot that always holds, this end could not take back what came before it.
fn past_pivot(checker: &Checker<'_>, span: std::ops::Range<usize>) -> Option<()> {
    if !checker.past_pivot() {
        return Some(());
    }
    let message = "past the pivot nothing is taken back, and this end would want it";
    let help = "end = \"done\", a `park` or a `fail`; or let the pivot say when it holds";
    checker.sheet.error_help(code::SAGA, span, message, help);
    None
}
