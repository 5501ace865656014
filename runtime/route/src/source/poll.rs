//! `[from.poll]`: an operation of a connector is asked again and again for what is new.

use crate::check::Checker;
use crate::operation::SourceKind;
use crate::plan::MessageType;
use crate::written::{Table, Text};

/// How often, unless the route says otherwise.
pub const EVERY_MS: u64 = 60_000;
/// Items asked for at once, unless the route says otherwise.
pub const LIMIT: u32 = 100;
pub const LIMIT_MAX: u64 = 1_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollSource {
    pub connector: String,
    pub operation: String,
    pub every_ms: u64,
    /// Items asked for at once.
    pub limit: u32,
    /// Without an answer for so long, the source is late; none: as the environment has it.
    pub late_after_ms: Option<u64>,
}

pub(crate) struct Written {
    connector: Text,
    operation: Text,
    every_ms: u64,
    limit: u32,
    late_after_ms: Option<u64>,
}

pub(crate) fn read(table: Table<'_>) -> Option<Written> {
    let connector = table.required_text("connector", "\"wms\"");
    let operation = table.required_text("operation", "\"list-milestones\"");
    let every = table.duration("every");
    let limit = table.integer("limit", 1..=LIMIT_MAX);
    let late_after = table.duration("late_after");
    table.finish();
    Some(Written {
        connector: connector?,
        operation: operation?,
        every_ms: every.map_or(EVERY_MS, |every| every.value),
        limit: limit.map_or(LIMIT, |limit| limit.value as u32),
        late_after_ms: late_after.map(|late_after| late_after.value),
    })
}

pub(crate) fn message(written: &Written, checker: &Checker<'_>) -> Option<MessageType> {
    checker.source_operation(&written.connector, &written.operation, SourceKind::Poll)
}

pub(crate) fn check(written: Written) -> PollSource {
    PollSource {
        connector: written.connector.value,
        operation: written.operation.value,
        every_ms: written.every_ms,
        limit: written.limit,
        late_after_ms: written.late_after_ms,
    }
}
