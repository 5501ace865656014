//! `crossdock trace`: what happened to a message, step by step, in the order of time.

use std::path::Path;

use serde_json::Value;

use super::client::{Admin, escape};
use super::{Failure, block_on};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// An exchange (13 letters and digits) or a business key: `order=SO-1001`, `invoice=INV-7`.
    key: String,
    /// Show the steps that were skipped, too.
    #[arg(long)]
    all: bool,
}

pub(super) fn run(config: &Path, json: bool, arguments: &Arguments) -> Result<(), Failure> {
    let admin = Admin::of(config)?;
    let found = block_on(async {
        match arguments.key.split_once('=') {
            Some((key, value)) => {
                admin.get(&format!("/v1/timeline/{}/{}", escape(key), escape(value))).await
            }
            None => admin.get(&format!("/v1/exchanges/{}", escape(&arguments.key))).await,
        }
    })??;
    if json {
        say!("{found}");
    } else if found.get("exchanges").is_some() {
        print_timeline(&found, arguments.all);
    } else {
        print_exchange(&found, "", arguments.all);
    }
    Ok(())
}

fn print_timeline(timeline: &Value, all: bool) {
    let text = |name: &str| timeline[name].as_str().unwrap_or_default();
    say!("{} {}", text("key"), text("value"));
    let ids = timeline["ids"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !ids.is_empty() {
        say!("  known as:");
        for id in ids {
            let part = |name: &str| id[name].as_str().unwrap_or_default();
            say!("    {} {} in {}", part("object"), part("id"), part("system"));
        }
    }
    let exchanges = timeline["exchanges"].as_array().map(Vec::as_slice).unwrap_or_default();
    if exchanges.is_empty() {
        say!("  nothing is known under this key");
    }
    for exchange in exchanges {
        print_exchange(exchange, "  ", all);
    }
}

/// One exchange with its outcomes, each a line.
pub(super) fn print_exchange(exchange: &Value, indent: &str, all: bool) {
    let text = |name: &str| exchange[name].as_str().unwrap_or_default();
    let state = match exchange["end"].as_str() {
        Some(end) => end.to_owned(),
        None => match exchange["why"].as_str() {
            Some(why) => format!("{} ({why})", text("state")),
            None => text("state").to_owned(),
        },
    };
    let by = exchange["client"].as_str().map(|client| format!(" by {client}")).unwrap_or_default();
    say!(
        "{indent}{}  {}  {}  from {}{by}  -> {state}",
        clock_time(text("received_at")),
        text("exchange"),
        text("route"),
        text("source"),
    );
    if let Some(at) = exchange["payload_dropped_at"].as_str() {
        say!("{indent}    payload dropped by retention at {at}");
    }
    for outcome in exchange["outcomes"].as_array().map(Vec::as_slice).unwrap_or_default() {
        if !all && matches!(outcome["outcome"].as_str(), Some("skipped" | "set")) {
            continue;
        }
        let at = clock_time(outcome["at"].as_str().unwrap_or_default());
        let step = outcome["step"].as_str().unwrap_or_default();
        say!("{indent}    {at}  {step:<18} {}", describe(&outcome["outcome"]));
    }
    for replay in exchange["replays"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let text = |name: &str| replay[name].as_str().unwrap_or_default();
        let state = replay["end"].as_str().unwrap_or(text("state"));
        say!(
            "{indent}    {}  repeated by {} -> {state}",
            clock_time(text("received_at")),
            text("exchange")
        );
    }
}

/// Time of day with milliseconds: `12:03:09.250`.
fn clock_time(timestamp: &str) -> String {
    let time = timestamp.split_once('T').map_or(timestamp, |(_, time)| time).trim_end_matches('Z');
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    format!("{seconds}.{fraction:0<3.3}")
}

/// An outcome in words; its payload stays in `--json`.
pub fn describe(outcome: &Value) -> String {
    let Some(kind) = outcome.as_object().and_then(|kind| kind.iter().next()) else {
        return outcome.as_str().unwrap_or_default().replace('_', " ");
    };
    let (kind, body) = kind;
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    match kind.as_str() {
        "answered" if body["of"].is_string() => format!("done by {}", text("of")),
        "skipped_fault" => format!(
            "gone without: {}: {}",
            body["fault"]["code"].as_str().unwrap_or_default(),
            body["fault"]["message"].as_str().unwrap_or_default()
        ),
        "compensating" => match body["by"].as_str() {
            Some(by) => format!("{by} has it taken back"),
            None => "taken back from here".to_owned(),
        },
        "undone_by_hand" => format!("{} settled it by hand", text("by")),
        "answered" => match decision(&body["value"]) {
            Some(decision) => format!("answered: {decision}"),
            None => "answered".to_owned(),
        },
        "published" => format!("published {}", text("topic")),
        "parked" => format!("waits for {}", text("role")),
        "decided" => match body["note"].as_str() {
            Some(note) => format!("{} decided `{}`: {note}", text("by"), text("answer")),
            None => format!("{} decided `{}`", text("by"), text("answer")),
        },
        "found" => format!("found {}", text("id")),
        "attempt" => format!(
            "attempt {} got no answer: {}: {}",
            body["attempt"],
            body["fault"]["code"].as_str().unwrap_or_default(),
            body["fault"]["message"].as_str().unwrap_or_default()
        ),
        "throttled" => held(body),
        "probed" => format!("asked whether it took effect: {}", text("answer")),
        "excepted" => format!("EXCEPTION {}: {}", text("class"), text("message")),
        "settled" if body["value"].is_null() => {
            format!("{} says that it did not take effect: {}", text("by"), text("why"))
        }
        "settled" => format!("{} says that it took effect: {}", text("by"), text("why")),
        "retried" => format!("{} ran it again", text("by")),
        "edited" => format!("{} set the message right and ran it again", text("by")),
        "received" => {
            let items = body["items"].as_array().map_or(0, Vec::len);
            format!("took in {items} item{}", if items == 1 { "" } else { "s" })
        }
        "ended" => match &body["end"] {
            Value::String(end) => format!("ended: {end}"),
            end => format!("ended: refused({})", end["refused"].as_str().unwrap_or_default()),
        },
        other => other.to_owned(),
    }
}

/// `held by breaker erp (payment: 5 of 6 calls gave no answer) until 12:03:09.250`
fn held(body: &Value) -> String {
    let text = |name: &str| body[name].as_str();
    let reason = text("reason").unwrap_or("limit");
    let detail = text("detail").map(|detail| format!(" ({detail})")).unwrap_or_default();
    let (limit, until) = (text("limit").unwrap_or_default(), text("until").unwrap_or_default());
    format!("held by {reason} {limit}{detail} until {}", clock_time(until))
}

/// The word in an answer that says how it went, if it has one.
fn decision(value: &Value) -> Option<String> {
    ["decision", "outcome", "status", "result"]
        .iter()
        .find_map(|name| case_name(&value[*name]))
        .or_else(|| case_name(value))
}

fn case_name(value: &Value) -> Option<String> {
    match value {
        Value::String(case) => Some(case.clone()),
        Value::Object(members) if members.len() == 1 => members.keys().next().cloned(),
        _ => None,
    }
}
