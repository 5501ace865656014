//! `[from.event]`: subscribes to a topic, which is named by the type it carries.

use contract::TypeName;

use crate::check::Checker;
use crate::plan::MessageType;
use crate::written::{Table, Text};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSource {
    pub topic: TypeName,
}

pub(crate) struct Written {
    topic: Text,
}

pub(crate) fn read(table: Table<'_>) -> Option<Written> {
    let topic = table.required_text("topic", "\"crossdock:canonical/orders.order-accepted@1\"");
    table.finish();
    Some(Written { topic: topic? })
}

pub(crate) fn message(written: &Written, checker: &Checker<'_>) -> Option<MessageType> {
    let (_, ty) = checker.type_named(&written.topic, &[])?;
    Some(MessageType::Typed(ty))
}

pub(crate) fn check(written: Written) -> Option<EventSource> {
    Some(EventSource { topic: written.topic.value.parse().ok()? })
}
