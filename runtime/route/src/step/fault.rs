//! `on_fault` of a call: what becomes of the exchange when a fault will not pass or its retries are
//! spent. Never what becomes of a call that may have taken effect: that is for its probe, its key and
//! people.

use toml::de::DeValue;

use crate::check::Checker;
use crate::operation::OperationInfo;
use crate::report::code;
use crate::with::With;
use crate::written::{Place, Table, Written as At, WrittenTree};

#[derive(Debug)]
pub enum OnFault {
    /// To the exception desk.
    Park,
    /// What may pass is tried again at the longest pause, for ever.
    Retry,
    /// The step has no result, or this one.
    Skip(Option<Box<Default>>),
    /// What the saga has done is taken back, and the exchange ends undone.
    Compensate,
}

/// What stands for the answer that did not come, of the type of the answer.
#[derive(Debug)]
pub struct Default(pub(crate) With);

pub(crate) enum Written {
    Park,
    Retry,
    Skip,
    SkipWith(WrittenTree),
    Compensate,
}

const WORDS: &str = "write \"park\", \"retry\", \"skip\", { skip = ... } or \"compensate\"";

/// None where it is not written; none inside where a report says why.
pub(crate) fn read(table: &Table<'_>) -> Option<Option<At<Written>>> {
    let value = table.value("on_fault")?;
    let at = |written| {
        Some(Some(At { value: written, place: Place { span: value.span(), content: None } }))
    };
    if let DeValue::Table(_) = value.get_ref() {
        let inner = table.table("on_fault", "`on_fault`")?;
        if !inner.has("skip") {
            inner.missing("skip", "{ outcome = \"'unknown'\" }");
        }
        let tree = inner.tree("skip");
        inner.finish();
        return tree.map_or(Some(None), |tree| at(Written::SkipWith(tree)));
    }
    match value.get_ref().as_str() {
        Some("park") => at(Written::Park),
        Some("retry") => at(Written::Retry),
        Some("skip") => at(Written::Skip),
        Some("compensate") => at(Written::Compensate),
        word => {
            let message = "`on_fault` names nothing that could be done";
            let known = ["park", "retry", "skip", "compensate"];
            let help = super::suggestion(word.unwrap_or_default(), known, WORDS);
            table.sheet.error_help(code::BAD_VALUE, value.span(), message, help);
            Some(None)
        }
    }
}

pub(crate) fn check(
    written: &Option<Option<At<Written>>>,
    info: &OperationInfo,
    checker: &Checker<'_>,
) -> Option<OnFault> {
    let Some(written) = written else {
        return Some(match checker.before_pivot() {
            true => OnFault::Compensate,
            false => OnFault::Park,
        });
    };
    let written = written.as_ref()?;
    let refuse = |message: &str, help: &str| {
        checker.sheet.error_help(code::SAGA, written.span(), message, help);
        None
    };
    Some(match &written.value {
        Written::Park => OnFault::Park,
        Written::Retry => OnFault::Retry,
        Written::Skip => OnFault::Skip(None),
        Written::SkipWith(tree) => {
            let with = checker.mapping(tree, Some(&info.operation.output))?;
            OnFault::Skip(Some(Box::new(Default(with))))
        }
        Written::Compensate if !checker.saga => {
            let help = "write saga = true under [route], or on_fault = \"park\"";
            return refuse("only a saga takes back what it did", help);
        }
        Written::Compensate if !checker.before_pivot() => {
            let help = "after the pivot: on_fault = \"park\" or \"retry\"";
            return refuse("what was done up to the pivot is not taken back after it", help);
        }
        Written::Compensate => OnFault::Compensate,
    })
}
