//! Where messages come from. Each source is one file with what is written, checked and planned; the
//! host does the listening.

pub mod event;
pub mod http;
pub mod poll;
pub mod schedule;
pub mod webhook;

pub use event::EventSource;
pub use http::{HttpSource, Reply};
pub use poll::PollSource;
pub use schedule::ScheduleSource;
pub use webhook::WebhookSource;

use crate::check::Checker;
use crate::plan::MessageType;
use crate::report::code;
use crate::written::Table;

#[derive(Debug)]
pub enum Source {
    Http(Box<HttpSource>),
    Webhook(WebhookSource),
    Poll(PollSource),
    Event(EventSource),
    Schedule(ScheduleSource),
}

pub(crate) const KINDS: [&str; 5] = ["http", "webhook", "poll", "event", "schedule"];

impl Source {
    pub fn kind(&self) -> &'static str {
        match self {
            Source::Http(_) => "http",
            Source::Webhook(_) => "webhook",
            Source::Poll(_) => "poll",
            Source::Event(_) => "event",
            Source::Schedule(_) => "schedule",
        }
    }

    /// The connector through which messages come in.
    pub fn connector(&self) -> Option<&str> {
        match self {
            Source::Webhook(webhook) => Some(&webhook.connector),
            Source::Poll(poll) => Some(&poll.connector),
            Source::Http(_) | Source::Event(_) | Source::Schedule(_) => None,
        }
    }
}

pub(crate) enum Written {
    Http(Box<http::Written>),
    Webhook(webhook::Written),
    Poll(poll::Written),
    Event(event::Written),
    Schedule(schedule::Written),
}

/// `[from.KIND]`: exactly one.
pub(crate) fn read(from: Table<'_>) -> Option<Written> {
    let written: Vec<&'static str> = KINDS.into_iter().filter(|kind| from.has(kind)).collect();
    let read = match written.as_slice() {
        [] => {
            let message = "the route has no source";
            let help =
                format!("write one of {}", KINDS.map(|kind| format!("[from.{kind}]")).join(", "));
            from.sheet.error_help(code::SOURCE_KIND, from.span.clone(), message, help);
            None
        }
        [kind, others @ ..] => {
            for other in others {
                let message = format!("the route has two sources, `{kind}` and `{other}`");
                let help = "write two routes, or let one publish what the other subscribes to";
                let span = from.key_span(other).unwrap_or(from.span.clone());
                from.sheet.error_help(code::SOURCE_KIND, span, message, help);
            }
            from.table(kind, format!("[from.{kind}]")).and_then(|table| match *kind {
                "http" => Some(Written::Http(Box::new(http::read(table)))),
                "webhook" => Some(Written::Webhook(webhook::read(table))),
                "poll" => poll::read(table).map(Written::Poll),
                "event" => event::read(table).map(Written::Event),
                _ => schedule::read(table).map(Written::Schedule),
            })
        }
    };
    from.finish();
    read
}

/// The type of the messages; then, when the steps are known, the source itself.
pub(crate) fn message(written: &Written, checker: &Checker<'_>) -> Option<MessageType> {
    match written {
        Written::Http(written) => http::message(written, checker),
        Written::Webhook(written) => webhook::message(written, checker),
        Written::Poll(written) => poll::message(written, checker),
        Written::Event(written) => event::message(written, checker),
        Written::Schedule(_) => Some(schedule::message()),
    }
}

pub(crate) fn check(written: Written, checker: &Checker<'_>) -> Option<Source> {
    match written {
        Written::Http(written) => {
            http::check(*written, checker).map(|http| Source::Http(Box::new(http)))
        }
        Written::Webhook(written) => webhook::check(written, checker).map(Source::Webhook),
        Written::Poll(written) => Some(Source::Poll(poll::check(written))),
        Written::Event(written) => event::check(written).map(Source::Event),
        Written::Schedule(written) => schedule::check(written, checker).map(Source::Schedule),
    }
}

/// A path that a route listens at: literal, absolute, without query.
pub(crate) fn check_path(checker: &Checker<'_>, path: &crate::written::Text) {
    let text = path.value.as_str();
    let literal = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
    if !text.starts_with('/') || !text.chars().all(literal) || text.contains("//") {
        checker.sheet.error_help(
            code::BAD_VALUE,
            path.span(),
            format!("`{text}` is not a path to listen at"),
            "write it from the slash on, of letters, digits, - _ . ~ and /: \"/orders\"",
        );
    }
}
