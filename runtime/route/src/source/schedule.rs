//! `[from.schedule]`: by the clock of a place. The message is `{ at }`, the instant that was due.

use contract::{Type, Value};
use jiff::Timestamp;

use crate::check::Checker;
use crate::plan::{MessageType, tick};
use crate::report::code;
use crate::schedule::Cron;
use crate::scope;
use crate::written::{Table, Text};

#[derive(Clone, Debug)]
pub struct ScheduleSource {
    /// As written.
    pub cron: String,
    pub zone: String,
    times: Cron,
}

impl ScheduleSource {
    /// The first time after `after`; none if there is none within the years that `Cron` looks ahead.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.times.next(after)
    }

    /// The message of the exchange that was due at `at`.
    pub fn message(at: Timestamp) -> Value {
        tick(at)
    }
}

pub(crate) struct Written {
    cron: Text,
    zone: Option<Text>,
}

pub(crate) fn read(table: Table<'_>) -> Option<Written> {
    let cron = table.required_text("cron", "\"0 6 * * *\"");
    let zone = table.text("zone");
    table.finish();
    Some(Written { cron: cron?, zone })
}

pub(crate) fn message() -> MessageType {
    MessageType::Typed(Type::Record(scope::tick_record()))
}

pub(crate) fn check(written: Written, checker: &Checker<'_>) -> Option<ScheduleSource> {
    let zone = written.zone.as_ref().map_or("UTC", |zone| zone.value.as_str());
    match Cron::parse(&written.cron.value, zone) {
        Ok(times) => {
            Some(ScheduleSource { cron: written.cron.value.clone(), zone: zone.to_owned(), times })
        }
        Err(crate::schedule::Error::Zone(message)) => {
            let place = written.zone.as_ref().unwrap_or(&written.cron);
            let help = "an IANA name such as \"Europe/Berlin\" or \"UTC\"";
            checker.sheet.error_help(code::BAD_VALUE, place.span(), message, help);
            None
        }
        Err(crate::schedule::Error::Cron(message)) => {
            let help = "five fields: minute hour day month weekday, as in \"0 6 * * 1-5\"";
            checker.sheet.error_help(code::BAD_VALUE, written.cron.span(), message, help);
            None
        }
    }
}
