//! `crossdock pause`, `resume` and `pauses`: what is held back on purpose, until when, why, by whom.

use std::path::Path;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::client::{Admin, escape};
use super::moment::{coming, shown};
use super::{Failure, block_on, person};

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Route,
    Connector,
    Limit,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Route => "route",
            Kind::Connector => "connector",
            Kind::Limit => "limit",
        }
    }
}

#[derive(clap::Args)]
pub(super) struct Pause {
    kind: Kind,
    name: String,
    /// When it ends by itself: `18:00`, `2h`. Without it somebody must resume it.
    #[arg(long, value_parser = coming)]
    until: Option<jiff::Timestamp>,
    /// What everybody who waits will read.
    #[arg(long)]
    why: String,
    /// Who decides; the name of the logged-in user when absent.
    #[arg(long)]
    by: Option<String>,
}

#[derive(clap::Args)]
pub(super) struct Resume {
    kind: Kind,
    name: String,
    /// Why, for the record.
    #[arg(long)]
    why: String,
    #[arg(long)]
    by: Option<String>,
}

pub(super) fn pause(config: &Path, json: bool, wanted: &Pause) -> Result<(), Failure> {
    let by = person(wanted.by.as_deref());
    let until = wanted.until.map(|until| until.to_string());
    let body = json!({ "by": by, "why": wanted.why, "until": until });
    let done = send(config, wanted.kind, &wanted.name, "", &body)?;
    if json {
        say!("{done}");
    } else {
        let until = done["until"].as_str().map(shown);
        let ends = until.map_or("until somebody resumes it".to_owned(), |at| format!("until {at}"));
        say!("{} {} is paused {ends}", wanted.kind.as_str(), wanted.name);
        match wanted.kind {
            Kind::Route => say!(
                "  its messages are taken in and wait in the journal; its polls and schedules rest"
            ),
            Kind::Connector | Kind::Limit => {
                say!("  calls wait in the journal and spend no attempts")
            }
        }
        say!(
            "  end it with: crossdock resume {} {} --why \"...\"",
            wanted.kind.as_str(),
            wanted.name
        );
    }
    Ok(())
}

pub(super) fn resume(config: &Path, json: bool, wanted: &Resume) -> Result<(), Failure> {
    let body = json!({ "by": person(wanted.by.as_deref()), "why": wanted.why });
    let done = send(config, wanted.kind, &wanted.name, "/resume", &body)?;
    match json {
        true => say!("{done}"),
        false => say!("{} {} goes on", wanted.kind.as_str(), wanted.name),
    }
    Ok(())
}

fn send(
    config: &Path,
    kind: Kind,
    name: &str,
    action: &str,
    body: &Value,
) -> Result<Value, Failure> {
    let admin = Admin::of(config)?;
    let path = format!("/v1/pauses/{}/{}{action}", kind.as_str(), escape(name));
    block_on(admin.post(&path, body))?
}

pub(super) fn list(config: &Path, json: bool) -> Result<(), Failure> {
    let admin = Admin::of(config)?;
    let found = block_on(admin.get("/v1/pauses"))??;
    if json {
        say!("{found}");
        return Ok(());
    }
    let pauses = found["pauses"].as_array().map(Vec::as_slice).unwrap_or_default();
    if pauses.is_empty() {
        say!("nothing is paused");
    }
    for pause in pauses {
        let text = |name: &str| pause[name].as_str().unwrap_or_default();
        let until = match pause["until"].as_str() {
            Some(until) => format!("until {}", shown(until)),
            None => "until somebody resumes it".to_owned(),
        };
        let by = match pause["maintenance"].as_str() {
            Some(window) => format!("maintenance `{window}`"),
            None => text("by").to_owned(),
        };
        say!("{} {}  {until}  by {by} since {}", text("kind"), text("name"), shown(text("since")));
        say!("    {}", text("why"));
    }
    for window in found["maintenance"].as_array().into_iter().flatten() {
        let text = |name: &str| window[name].as_str().unwrap_or_default();
        let holds = window["holds"].as_array().map(Vec::as_slice).unwrap_or_default();
        let holds: Vec<&str> = holds.iter().filter_map(Value::as_str).collect();
        let opens = shown(text("opens_at"));
        say!(
            "maintenance {}  opens {opens}: {} ({})",
            text("window"),
            holds.join(", "),
            text("why")
        );
    }
    Ok(())
}
