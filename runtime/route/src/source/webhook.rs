//! `[from.webhook]`: a system posts what happened; an operation of its connector translates it.

use super::check_path;
use crate::check::Checker;
use crate::operation::SourceKind;
use crate::plan::MessageType;
use crate::written::{Table, Text};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSource {
    pub connector: String,
    pub operation: String,
    pub path: String,
}

pub(crate) struct Written {
    connector: Option<Text>,
    operation: Option<Text>,
    pub path: Option<Text>,
}

pub(crate) fn read(table: Table<'_>) -> Written {
    let written = Written {
        connector: table.required_text("connector", "\"storefront\""),
        operation: table.required_text("operation", "\"order-created\""),
        path: table.required_text("path", "\"/webhooks/storefront\""),
    };
    table.finish();
    written
}

pub(crate) fn message(written: &Written, checker: &Checker<'_>) -> Option<MessageType> {
    let (connector, operation) = (written.connector.as_ref()?, written.operation.as_ref()?);
    checker.source_operation(connector, operation, SourceKind::Webhook)
}

pub(crate) fn check(written: Written, checker: &Checker<'_>) -> Option<WebhookSource> {
    let path = written.path?;
    check_path(checker, &path);
    Some(WebhookSource {
        connector: written.connector?.value,
        operation: written.operation?.value,
        path: path.value,
    })
}
