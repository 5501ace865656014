//! `[from.http]`: a caller posts a message and is answered once it is on disk, or by a step.

use contract::TypeName;
use expression::Program;

use super::check_path;
use crate::check::Checker;
use crate::plan::MessageType;
use crate::report::code;
use crate::written::{self, Leaf, Table, Text};

/// How long a caller waits for a step unless the route says otherwise.
pub const REPLY_TIMEOUT_MS: u64 = 10_000;
/// More than this is no message.
const BODY_MAX_BYTES: u64 = 1 << 30;

#[derive(Debug)]
pub struct HttpSource {
    /// Upper case.
    pub method: String,
    pub path: String,
    /// None accepts any JSON.
    pub accept: Option<TypeName>,
    /// The same key twice is one exchange; see [`crate::Plan::source_key`].
    pub key: Option<Program>,
    pub limit: Option<String>,
    /// Where less is allowed than by the configuration.
    pub body_max_bytes: Option<u64>,
    pub reply: Reply,
    /// False: nothing is journalled before the reply; see the design, "Commits".
    pub durable: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// As soon as the message is on disk.
    Status(u16),
    /// With the result of this step. A caller who has waited that long gets 202 and the exchange.
    Step { index: usize, timeout_ms: u64 },
}

pub(crate) struct Written {
    method: Option<Text>,
    pub path: Option<Text>,
    accept: Option<Text>,
    key: Option<Leaf>,
    limit: Option<Text>,
    body_max_bytes: Option<written::Written<u64>>,
    reply: WrittenReply,
    durable: Option<written::Written<bool>>,
}

enum WrittenReply {
    Status(u16),
    Step { name: Text, timeout_ms: u64 },
    Bad,
}

impl Written {
    pub fn method(&self) -> String {
        self.method.as_ref().map_or("POST".to_owned(), |method| method.value.to_uppercase())
    }
}

const METHODS: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

pub(crate) fn read(table: Table<'_>) -> Written {
    let written = Written {
        method: table.text("method"),
        path: table.required_text("path", "\"/orders\""),
        accept: table.required_text("accept", "\"crossdock:canonical/orders.order@1\""),
        key: table.leaf("key"),
        limit: table.text("limit"),
        body_max_bytes: table.integer("body_max_bytes", 1..=BODY_MAX_BYTES),
        reply: match table.has("reply") {
            true => table.table("reply", "`reply`").map_or(WrittenReply::Bad, read_reply),
            false => WrittenReply::Status(202),
        },
        durable: table.boolean("durable"),
    };
    table.finish();
    written
}

fn read_reply(table: Table<'_>) -> WrittenReply {
    let reply = match (table.has("status"), table.has("step")) {
        (true, false) => match table.integer("status", 200..=299) {
            Some(status) => WrittenReply::Status(status.value as u16),
            None => WrittenReply::Bad,
        },
        (false, true) => {
            let timeout = table.duration("timeout");
            let timeout_ms = timeout.map_or(REPLY_TIMEOUT_MS, |timeout| timeout.value);
            match table.text("step") {
                Some(name) => WrittenReply::Step { name, timeout_ms },
                None => WrittenReply::Bad,
            }
        }
        _ => {
            let message = "`reply` takes either a status or a step";
            let help = "write { status = 202 } or { step = \"quote\", timeout = \"5s\" }";
            table.sheet.error_help(code::BAD_VALUE, table.span.clone(), message, help);
            WrittenReply::Bad
        }
    };
    table.finish();
    reply
}

pub(crate) fn message(written: &Written, checker: &Checker<'_>) -> Option<MessageType> {
    let accept = written.accept.as_ref()?;
    if accept.value == "any" {
        return Some(MessageType::Any);
    }
    let (_, ty) = checker.type_named(accept, &["any"])?;
    Some(MessageType::Typed(ty))
}

pub(crate) fn check(written: Written, checker: &Checker<'_>) -> Option<HttpSource> {
    if let Some(path) = &written.path {
        check_path(checker, path);
    }
    let method = written.method();
    if let Some(text) = &written.method
        && !METHODS.contains(&method.as_str())
    {
        checker.sheet.error_help(
            code::BAD_VALUE,
            text.span(),
            format!("`{}` is not a method that carries a message", text.value),
            format!("write one of {}", METHODS.join(", ")),
        );
    }
    let limit = written.limit.map(|limit| checker.limit(limit));
    let key = written.key.as_ref().map(|leaf| checker.key(leaf, true));
    let reply = match &written.reply {
        WrittenReply::Status(status) => Some(Reply::Status(*status)),
        WrittenReply::Step { name, timeout_ms } => {
            checker.reply_step(name).map(|index| Reply::Step { index, timeout_ms: *timeout_ms })
        }
        WrittenReply::Bad => None,
    };
    let durable = written.durable.as_ref().is_none_or(|durable| durable.value);
    if let Some(written_durable) = &written.durable
        && !durable
    {
        let replies = matches!(written.reply, WrittenReply::Step { .. } | WrittenReply::Bad);
        checker.not_durable(written_durable.span(), replies, written.key.is_some());
    }
    let accept = written.accept?;
    Some(HttpSource {
        method,
        path: written.path?.value,
        accept: if accept.value == "any" { None } else { Some(accept.value.parse().ok()?) },
        key: match key {
            Some(program) => Some(program?),
            None => None,
        },
        limit,
        body_max_bytes: written.body_max_bytes.map(|bytes| bytes.value),
        reply: reply?,
        durable,
    })
}
