//! `crossdock replay`: an exchange or a range once more. A rehearsal unless `--for-real` says
//! otherwise; what repeats effects is said in capitals and asks first.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::client::{Admin, escape};
use super::{Failure, block_on, person};

const POLL_PAUSE: Duration = Duration::from_millis(200);

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The exchange to run once more. Without one: a range, by the filters below.
    exchange: Option<String>,
    /// Answer every call from the journal and show what differs. Nothing takes effect. The default.
    #[arg(long, conflicts_with = "for_real")]
    rehearse: bool,
    /// A new exchange on the current version of the route, with effects.
    #[arg(long, requires = "keys")]
    for_real: bool,
    /// `same`: systems that honour keys answer as before. `new`: every effect happens again.
    #[arg(long, value_enum, requires = "for_real")]
    keys: Option<Keys>,
    /// Go on at this step, with the outcomes before it as they were.
    #[arg(long, value_name = "STEP")]
    from: Option<String>,
    /// Rehearse on this version of the route.
    #[arg(long, value_enum, conflicts_with = "for_real")]
    version: Option<Version>,
    /// Why, for the record. Needed with --for-real.
    #[arg(long, required_if_eq("for_real", "true"), default_value = "")]
    why: String,
    #[arg(long)]
    by: Option<String>,
    /// Do not ask before effects are repeated.
    #[arg(long)]
    yes: bool,
    #[arg(long, conflicts_with = "exchange")]
    route: Option<String>,
    /// Accepted at or after: `2026-03-01T14:00:00Z`.
    #[arg(long, conflicts_with = "exchange", value_name = "TIME")]
    since: Option<Timestamp>,
    /// Accepted before.
    #[arg(long, conflicts_with = "exchange", value_name = "TIME")]
    until: Option<Timestamp>,
    /// That ended so: `done`, `discarded`, `refused(credit)`.
    #[arg(long, conflicts_with = "exchange")]
    end: Option<String>,
    /// That stood at the exception desk with this class.
    #[arg(long, conflicts_with = "exchange")]
    class: Option<String>,
    /// Go on with a job that a restart of the runtime cut short.
    #[arg(long)]
    job: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Keys {
    Same,
    New,
}

#[derive(Clone, Copy, ValueEnum)]
enum Version {
    Current,
    Original,
}

pub(super) fn run(config: &Path, json: bool, arguments: &Arguments) -> Result<(), Failure> {
    let admin = Admin::of(config)?;
    if !arguments.for_real && !arguments.rehearse && !json {
        say!("a rehearsal, since neither --rehearse nor --for-real is given: nothing takes effect");
    }
    let mut body = request(arguments);
    block_on(async {
        let mut answer = admin.post("/v1/replays", &body).await?;
        if answer["needs_confirmation"] == true {
            if !arguments.yes {
                warn(&answer);
                confirm()?;
            }
            body["confirm"] = true.into();
            answer = admin.post("/v1/replays", &body).await?;
        }
        if answer.get("job").is_some() {
            return follow(&admin, json, answer).await;
        }
        match (json, arguments.for_real) {
            (true, _) => say!("{answer}"),
            (false, true) => {
                let text = |name: &str| answer[name].as_str().unwrap_or_default();
                say!("{} is repeated by {}", text("exchange"), text("replay"));
            }
            (false, false) => print_rehearsal(&answer),
        }
        Ok(())
    })?
}

fn request(arguments: &Arguments) -> Value {
    let mut body = json!({
        "mode": if arguments.for_real { "for-real" } else { "rehearse" },
        "by": person(arguments.by.as_deref()),
        "why": arguments.why,
    });
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body[name] = value;
        }
    };
    set("from", arguments.from.clone().map(Value::from));
    set("job", arguments.job.clone().map(Value::from));
    set("keys", arguments.keys.map(|keys| word(keys).into()));
    set("version", arguments.version.map(|version| word(version).into()));
    if let Some(exchange) = &arguments.exchange {
        set("exchange", Some(exchange.clone().into()));
    } else {
        let time = |at: &Option<Timestamp>| at.map(|at| at.to_string());
        let range = json!({
            "route": arguments.route, "since": time(&arguments.since),
            "until": time(&arguments.until), "end": arguments.end, "class": arguments.class,
        });
        set("range", Some(range));
    }
    body
}

fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn warn(answer: &Value) {
    let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    say!("UNDER NEW KEYS EVERY EFFECT HAPPENS AGAIN. {} EXCHANGE(S).", answer["exchanges"]);
    for mutation in list("may_repeat") {
        say!("  MAY REPEAT  {}", mutation.as_str().unwrap_or_default());
    }
    for topic in list("publishes_again") {
        say!("  PUBLISHES AGAIN  {}", topic.as_str().unwrap_or_default());
    }
}

/// A person at a terminal says yes; whoever is not at one says it with `--yes`.
fn confirm() -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::failed(
            "effects may be repeated, and nobody is here to confirm it\n  help: --yes when that is meant, or --keys same",
        ));
    }
    print!("Repeat these effects? [y/N] ");
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(Failure::failed)?;
    match line.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::failed("nothing was repeated")),
    }
}

/// Tells how far the job is until it has ended.
async fn follow(admin: &Admin, json: bool, mut progress: Value) -> Result<(), Failure> {
    let job = progress["job"].as_str().unwrap_or_default().to_owned();
    if !json {
        say!(
            "job {job}: {} exchanges; should the runtime stop: the same once more with --job {job}",
            progress["total"]
        );
    }
    let mut told = Value::Null;
    while progress["finished"] != true {
        tokio::time::sleep(POLL_PAUSE).await;
        progress = admin.get(&format!("/v1/replays/{}", escape(&job))).await?;
        if !json && progress["done"] != told {
            told = progress["done"].clone();
            say!("  {told} of {}", progress["total"]);
        }
    }
    if json {
        say!("{progress}");
    } else {
        for one in progress["results"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let text = |name: &str| one[name].as_str().unwrap_or_default();
            say!("{}  {}  {}", text("exchange"), text("went"), text("told"));
        }
        let names = ["same", "different", "unanswerable", "replayed", "left_out", "refused"];
        let counts: Vec<String> = names
            .iter()
            .filter(|name| progress[**name] != 0)
            .map(|name| format!("{} {}", progress[*name], name.replace('_', " ")))
            .collect();
        say!("{}", counts.join(", "));
    }
    match progress["stopped"].as_str() {
        Some(reason) => Err(Failure::failed(format!("it stopped: {reason}"))),
        None => Ok(()),
    }
}

fn print_rehearsal(rehearsal: &Value) {
    let text = |name: &str| rehearsal[name].as_str().unwrap_or_default();
    let verdict = match text("verdict") {
        "same" => "THE SAME",
        "different" => "DIFFERENT",
        _ => "UNANSWERABLE",
    };
    say!(
        "{}  {verdict}  was {}, is {}  ({} answers of the journal)",
        text("exchange"),
        text("was"),
        text("is"),
        rehearsal["answered"]
    );
    for found in rehearsal["differences"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let part = |name: &str| found[name].as_str().unwrap_or("-");
        let place = found["pointer"].as_str().unwrap_or_default();
        say!(
            "    {:<18} {:<10} {place}  {} -> {}",
            part("step"),
            part("what").replace('_', " "),
            part("was"),
            part("is")
        );
    }
    if rehearsal["left_out"] != 0 {
        say!("    and {} more", rehearsal["left_out"]);
    }
}
