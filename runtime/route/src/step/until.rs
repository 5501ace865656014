//! `until = { holds, within, every, code, message }` of a call: the question is asked again until the
//! answer is the awaited one. If it is not in its time, a person is told, in words of the route.
//! Only for queries: what takes effect is not repeated for its answer.

use expression::{Program, Type};

use crate::Effect;
use crate::check::Checker;
use crate::report::code;
use crate::step::{Kind, check_code};
use crate::written::{Leaf, Table, Text, Written as At};

/// Between two questions, unless the step says otherwise.
pub const EVERY_MS: u64 = 5 * 60_000;
/// Nothing is asked more often than that.
pub const EVERY_MS_MIN: u64 = 100;

#[derive(Debug)]
pub struct Until {
    /// Over the answer, under the name of the step.
    pub(crate) holds: Program,
    pub within_ms: u64,
    pub every_ms: u64,
    /// The class and the code of the exception.
    pub code: String,
    /// What a person must know and do; over the last answer.
    pub(crate) message: Program,
}

pub(crate) struct Written {
    holds: Option<Leaf>,
    within: Option<At<u64>>,
    every: Option<At<u64>>,
    code: Option<Text>,
    message: Option<Leaf>,
    span: std::ops::Range<usize>,
}

pub(crate) fn read(table: &Table<'_>) -> Option<Written> {
    let span = table.key_span("until")?;
    let until = table.table("until", "`until`")?;
    for (key, example) in [
        ("holds", "\"order == 'found'\""),
        ("within", "\"24h\""),
        ("message", "\"'the ERP knows no order ' + message.order\""),
    ] {
        if until.key_span(key).is_none() {
            until.missing(key, example);
        }
    }
    let written = Written {
        holds: until.leaf("holds"),
        within: until.duration("within"),
        every: until.duration("every"),
        code: until.required_text("code", "\"order-unknown\""),
        message: until.leaf("message"),
        span,
    };
    until.finish();
    Some(written)
}

/// The step's own name is in scope, as what the operation answers.
pub(crate) fn check(written: &Written, kind: &Kind, checker: &Checker<'_>) -> Option<Until> {
    let refuse = |span, message: &str, help: &str| {
        checker.sheet.error_help(code::STEP_KIND, span, message.to_owned(), help);
        None
    };
    match kind {
        Kind::Call(call) if call.operation.effect == Effect::Query => {}
        Kind::Call(_) => {
            let help = "await with a query what the mutation brought about";
            return refuse(
                written.span.clone(),
                "`until` asks again, and a mutation is made once",
                help,
            );
        }
        _ => return refuse(written.span.clone(), "`until` goes with `call`", "move it to a call"),
    }
    if let Some(every) = &written.every
        && every.value < EVERY_MS_MIN
    {
        let help = format!("at least {EVERY_MS_MIN}ms");
        checker.sheet.error_help(code::BAD_VALUE, every.span(), "`every` is too short", help);
        return None;
    }
    let code = written.code.as_ref()?;
    check_code(checker, code);
    let holds = checker.program_to(written.holds.as_ref()?, &contract::Type::Bool);
    let message = checker.program_to(written.message.as_ref()?, &contract::Type::String);
    Some(Until {
        holds: holds?,
        within_ms: written.within.as_ref()?.value,
        every_ms: written.every.as_ref().map_or(EVERY_MS, |every| every.value),
        code: code.value.clone(),
        message: message?,
    })
}

/// The type under which the answer is in scope, of a call that has one.
pub(crate) fn scope_type(result: Option<&Type>) -> Type {
    result.cloned().unwrap_or(Type::Dyn)
}
