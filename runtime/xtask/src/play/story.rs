//! Each order's way to cash in words, from the admin API: what was answered, what was waited for,
//! tried again, asked of a person; and the limits that everything shared.

use anyhow::Result;
use serde_json::Value;

use super::{Fate, Play, own};
use crate::runtime::Runtime;

/// Answers of one exchange, wrapped to this width.
const WIDTH: usize = 100;

pub fn print(runtime: &Runtime, play: &Play<'_>) -> Result<()> {
    for fate in &play.example.fates {
        order(fate, play);
    }
    println!("\n=== The limits that all of them shared");
    limits(&runtime.metrics()?);
    println!();
    Ok(())
}

/// One order's way, exchange by exchange.
pub fn order(fate: &Fate, play: &Play<'_>) {
    println!("\n=== {}  {}", fate.order, fate.title);
    let Some(timeline) = play.timelines.get(fate.order.as_str()) else { return };
    let mut exchanges: Vec<&Value> = own(timeline, &fate.order).collect();
    // Ids are given in the order of time.
    exchanges.sort_by_key(|exchange| exchange["exchange"].as_str());
    if exchanges.is_empty() {
        println!("    nothing was accepted: the runtime refused it at the door");
    }
    let start = exchanges.first().map_or(0.0, |first| seconds(&first["received_at"]));
    for exchange in exchanges {
        exchange_lines(exchange, start, play);
    }
}

fn exchange_lines(exchange: &Value, start: f64, play: &Play<'_>) {
    let text = |name: &str| exchange[name].as_str().unwrap_or_default();
    let state = exchange["end"].as_str().unwrap_or(text("state"));
    let began = seconds(&exchange["received_at"]) - start;
    let subject = subject(exchange);
    println!("{began:7.1}s  {:<24} {state:<10} {subject}", text("route"));
    let mut answers = Vec::new();
    let mut notes = Vec::new();
    for outcome in exchange["outcomes"].as_array().into_iter().flatten() {
        let step = outcome["step"].as_str().unwrap_or_default();
        let Some((kind, body)) = outcome["outcome"].as_object().and_then(|kind| kind.iter().next())
        else {
            if outcome["outcome"] == "in_doubt" {
                notes.push(format!("{step}: stopped while it may have been under way"));
            }
            continue;
        };
        match kind.as_str() {
            "answered" => answers.push(match (word(&body["value"]), body["probed"] == true) {
                (Some(word), true) => format!("{step} = {word} (its probe said so)"),
                (Some(word), false) => format!("{step} = {word}"),
                (None, _) => step.to_owned(),
            }),
            _ => notes.extend(note(step, kind, body)),
        }
    }
    for why in play.waits.get(text("exchange")).into_iter().flatten() {
        notes.push(format!("waited in the journal: {why}"));
    }
    // One answer says no more than the end does, and a milestone speaks for itself.
    if answers.len() > 1 && exchange["message"]["kind"].is_null() {
        wrapped(&answers);
    }
    for note in notes {
        println!("            ! {note}");
    }
}

/// What is remarkable about an outcome; None for the daily run.
fn note(step: &str, kind: &str, body: &Value) -> Option<String> {
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    Some(match kind {
        "attempt" => format!(
            "{step}: attempt {} got no answer ({}: {}), asked again",
            body["attempt"],
            body["fault"]["code"].as_str().unwrap_or_default(),
            body["fault"]["message"].as_str().unwrap_or_default()
        ),
        "throttled" => format!("{step}: held by {} {}", text("reason"), text("limit")),
        "probed" => format!("{step}: its probe said {}", text("answer")),
        "parked" => format!("{step}: waited for {}", text("role")),
        "decided" => format!("{step}: {} decided `{}`", text("by"), text("answer")),
        "excepted" => format!("{step}: EXCEPTION {}: {}", text("class"), text("message")),
        "retried" => format!("{step}: {} ran it again", text("by")),
        _ => return None,
    })
}

/// What an exchange is about, beside its order.
fn subject(exchange: &Value) -> String {
    let message = &exchange["message"];
    let keys = &exchange["keys"];
    let mut parts = Vec::new();
    if let Some(kind) = word(&message["kind"]) {
        parts.push(kind);
    }
    for name in ["shipment", "invoice", "return", "receipt"] {
        if let Some(value) = keys[name].as_str() {
            parts.push(format!("{name} {value}"));
        }
    }
    let application = &message["application"];
    if application.is_object() {
        let money = |name: &str| {
            let money = &application[name];
            let text = |part: &str| money[part].as_str().unwrap_or_default().to_owned();
            format!("{} {}", text("amount"), text("currency"))
        };
        parts.push(format!(
            "{} applied to {}, open {}",
            money("amount"),
            application["invoice"].as_str().unwrap_or_default(),
            money("open")
        ));
    }
    parts.join(", ")
}

/// The word in an answer that says how it went, if it has one.
fn word(value: &Value) -> Option<String> {
    let named = ["decision", "outcome", "status"].iter().find_map(|name| case(&value[*name]));
    named.or_else(|| case(value))
}

/// The case of a variant; what the outside calls it where we have no word.
fn case(value: &Value) -> Option<String> {
    match value {
        Value::String(case) => Some(case.clone()),
        Value::Object(members) if members.len() == 1 => {
            let (case, payload) = members.iter().next()?;
            let theirs = payload.as_str().filter(|_| case == "other");
            Some(theirs.unwrap_or(case).to_owned())
        }
        _ => None,
    }
}

fn wrapped(answers: &[String]) {
    let mut line = String::new();
    for answer in answers {
        if !line.is_empty() && line.len() + answer.len() + 2 > WIDTH {
            println!("              {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push_str(", ");
        }
        line.push_str(answer);
    }
    if !line.is_empty() {
        println!("              {line}");
    }
}

/// Samples of the limits, as `/metrics` has them.
fn limits(metrics: &str) {
    for line in metrics.lines().filter(|line| line.starts_with("crossdock_limit_granted")) {
        let name = line.split('"').nth(1).unwrap_or_default();
        let granted = line.rsplit(' ').next().unwrap_or_default();
        println!("    {name:<12} {granted} requests or calls let through");
    }
}

/// Seconds of the day; a demo does not run over midnight twice.
fn seconds(timestamp: &Value) -> f64 {
    let text = timestamp.as_str().unwrap_or_default();
    let time = text.split_once('T').map_or("", |(_, time)| time.trim_end_matches('Z'));
    time.split(':')
        .filter_map(|part| part.parse::<f64>().ok())
        .fold(0.0, |sum, part| sum * 60.0 + part)
}
