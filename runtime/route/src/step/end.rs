//! `end`: the exchange is over, done or refused for a named business reason.

use toml::de::DeValue;

use super::{Checked, Kind, check_code};
use crate::check::Checker;
use crate::machine::End;
use crate::report::code;
use crate::written::{Table, Text};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndStep {
    pub end: End,
}

pub(crate) enum Written {
    Done,
    Refused(Text),
}

pub(crate) fn read(table: &Table<'_>) -> Option<Written> {
    let help = "write end = \"done\" or end = { refused = \"credit\" }";
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
    table.sheet.error_help(code::BAD_VALUE, value.span(), "`end` names no end", help);
    None
}

pub(crate) fn check(written: &Written, checker: &Checker<'_>) -> Option<Checked> {
    let end = match written {
        Written::Done => End::Done,
        Written::Refused(reason) => {
            check_code(checker, reason);
            End::Refused(reason.value.clone())
        }
    };
    Some(Checked { kind: Kind::End(EndStep { end }), result: None })
}
