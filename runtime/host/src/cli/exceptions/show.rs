//! Exceptions in words, for somebody who is tired.

use serde_json::Value;

use crate::cli::moment::{age, shown};
use crate::cli::trace::print_exchange;

pub(super) fn list(exceptions: &Value, limit: usize) {
    let exceptions = exceptions.as_array().map(Vec::as_slice).unwrap_or_default();
    if exceptions.is_empty() {
        say!("no open exceptions");
    }
    exceptions.iter().for_each(one);
    if exceptions.len() >= limit {
        say!("the first {limit} are shown; more with --limit, or sum up with --by class");
    }
}

/// `412 erp-5xx since 13:58, owner billing, oldest 3 h`
pub(super) fn groups(groups: &Value, by: &str) {
    let groups = groups.as_array().map(Vec::as_slice).unwrap_or_default();
    if groups.is_empty() {
        say!("no open exceptions");
    }
    for group in groups {
        let owners = group["owners"].as_array().map(Vec::as_slice).unwrap_or_default();
        let owners: Vec<&str> = owners.iter().filter_map(Value::as_str).collect();
        say!(
            "{} {} since {}, owner {}, oldest {}",
            group["count"],
            group[by].as_str().unwrap_or_default(),
            shown(group["since"].as_str().unwrap_or_default()),
            owners.join(", "),
            age(group["oldest_s"].as_u64().unwrap_or(0)),
        );
    }
}

fn one(exception: &Value) {
    let text = |name: &str| exception[name].as_str().unwrap_or_default();
    say!(
        "{}  {}  {}.{}  owner {}  {} old{}",
        text("exchange"),
        text("class"),
        text("route"),
        text("step"),
        text("owner"),
        age(exception["age_s"].as_u64().unwrap_or(0)),
        exception["assignee"].as_str().map(|who| format!("  {who} has it")).unwrap_or_default(),
    );
    say!("    {}: {}", text("code"), text("message"));
    let keys = keys(&exception["keys"]);
    if !keys.is_empty() {
        say!("    {keys}");
    }
}

pub(super) fn whole(exception: &Value) {
    let text = |name: &str| exception[name].as_str().unwrap_or_default();
    let place = match (exception["file"].as_str(), exception["line"].as_u64()) {
        (Some(file), Some(line)) => format!(" ({file}:{line})"),
        _ => String::new(),
    };
    say!("{}  {} in {}.{}{place}", text("exchange"), text("class"), text("route"), text("step"));
    let keys = keys(&exception["keys"]);
    if !keys.is_empty() {
        say!("    {keys}");
    }
    let fault = &exception["fault"];
    let status = fault["status"].as_u64().map(|status| format!(", status {status}"));
    say!("    {}{}: {}", text("code"), status.unwrap_or_default(), text("message"));
    match fault["attempts"].as_u64() {
        None | Some(0) => {}
        Some(attempts) => {
            let asked = fault["asked"].as_array().map(Vec::as_slice).unwrap_or_default();
            let edge = |at: Option<&Value>| shown(at.and_then(Value::as_str).unwrap_or_default());
            let times = match attempts {
                1 => "asked once".to_owned(),
                count => format!("asked {count} times"),
            };
            say!("    {times}, first at {}, last at {}", edge(asked.first()), edge(asked.last()));
        }
    }
    let hands = match exception["assignee"].as_str() {
        Some(who) => format!("{who} has it in hand"),
        None => "nobody has it in hand".to_owned(),
    };
    let age = age(exception["age_s"].as_u64().unwrap_or(0));
    say!("    owner {}, {hands}; {age} old, since {}", text("owner"), shown(text("at")));
    if let Some(to) = exception["escalates"]["to"].as_str() {
        say!(
            "    goes to {to} at {}",
            shown(exception["escalates"]["at"].as_str().unwrap_or_default())
        );
    }
    if let Some(at) = exception["escalated_at"].as_str() {
        say!("    was handed on at {}", shown(at));
    }
    match exception["waiting_behind"].as_u64() {
        None | Some(0) => {}
        Some(1) => say!("    1 exchange waits behind it: {}", lane(&exception["document"]["lane"])),
        Some(count) => {
            say!("    {count} exchanges wait behind it: {}", lane(&exception["document"]["lane"]));
        }
    }
    say!("what you can do:");
    for offer in exception["offers"].as_array().into_iter().flatten() {
        let text = |name: &str| offer[name].as_str().unwrap_or_default();
        say!("    {}", text("means"));
        say!("        {}", text("command"));
    }
    say!("what happened:");
    print_exchange(&exception["document"], "    ", true);
    say!("message: {}", exception["document"]["message"]);
}

/// What an exchange that keeps its lane holds up: `order SO-1001`.
fn lane(lane: &Value) -> String {
    let text = |name: &str| lane[name].as_str().unwrap_or_default();
    format!("{} {}", text("scope"), text("key"))
}

fn keys(keys: &Value) -> String {
    let keys = keys.as_object().into_iter().flatten();
    let keys: Vec<String> = keys
        .map(|(name, value)| format!("{name} {}", value.as_str().unwrap_or_default()))
        .collect();
    keys.join(", ")
}
