//! `crossdock exceptions`: what stands until a person acts, why, and what to do about it. One of them
//! by its exchange, or many by a filter.

mod edit;
mod many;
mod show;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::client::{Admin, escape};
use super::moment::past;
use super::{Failure, block_on, person};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show open exceptions, or with --by how many there are of each kind.
    List {
        #[command(flatten)]
        filter: Filter,
        /// Sum up by `class`, `owner`, `route` or `code`.
        #[arg(long)]
        by: Option<String>,
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one: what broke and where, what you can do, its message and all that happened to it.
    Show { exchange: String },
    /// Run the failed step again, under the same key unless the system had refused it.
    Retry(Act),
    /// Set the message right in your editor (or by --file), and run the failed step again with it.
    Edit {
        exchange: String,
        /// The whole message as JSON, instead of $EDITOR. `-` is standard input.
        #[arg(long)]
        file: Option<PathBuf>,
        #[command(flatten)]
        word: Word,
    },
    /// Say what became of an effect that is in doubt.
    Settle {
        exchange: String,
        /// It took effect: go on with this result, a file of JSON (`-` is standard input).
        #[arg(long, conflicts_with = "absent", required_unless_present = "absent")]
        applied: Option<PathBuf>,
        /// It did not: call again, under the same key.
        #[arg(long)]
        absent: bool,
        #[command(flatten)]
        word: Word,
    },
    /// Put it into somebody's hands (--to NAME), or back on the pile.
    Assign {
        #[command(flatten)]
        act: Act,
        #[arg(long)]
        to: Option<String>,
    },
    /// Have taken back what the exchange did, newest first; it ends undone. Where an undo failed: it
    /// is settled by hand, and the rest goes on.
    Compensate {
        exchange: String,
        #[command(flatten)]
        word: Word,
    },
    /// Give the exchange up. Effects that it already had stay.
    Discard(Act),
    /// Actions on many at once: how far they are, and to stop one.
    Jobs {
        /// One of them.
        job: Option<String>,
        /// Stop it; what is done stays done.
        #[arg(long, requires = "job")]
        cancel: bool,
    },
}

/// Which ones.
#[derive(Args)]
pub(super) struct Filter {
    /// The class of failure: `in-doubt`, `erp-5xx`.
    #[arg(long)]
    class: Option<String>,
    /// The role that owns them.
    #[arg(long)]
    owner: Option<String>,
    /// The person who has them in hand.
    #[arg(long)]
    assignee: Option<String>,
    #[arg(long)]
    route: Option<String>,
    #[arg(long)]
    code: Option<String>,
    /// Raised then or later: `14:00`, `2h` (ago), or RFC 3339.
    #[arg(long, value_parser = past)]
    since: Option<jiff::Timestamp>,
    /// Raised before.
    #[arg(long, value_parser = past)]
    until: Option<jiff::Timestamp>,
    /// A business key: `order=SO-1001`.
    #[arg(long, value_name = "NAME=VALUE")]
    key: Option<String>,
    /// Every open exception.
    #[arg(long)]
    all: bool,
}

impl Filter {
    fn pairs(&self) -> Map<String, Value> {
        let time = |at: &Option<jiff::Timestamp>| at.map(|at| at.to_string());
        let pairs = [
            ("class", self.class.clone()),
            ("owner", self.owner.clone()),
            ("assignee", self.assignee.clone()),
            ("route", self.route.clone()),
            ("code", self.code.clone()),
            ("since", time(&self.since)),
            ("until", time(&self.until)),
            ("key", self.key.clone()),
            ("all", self.all.then(|| "true".to_owned())),
        ];
        pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
            .collect()
    }
}

/// Who and why.
#[derive(Args)]
pub(super) struct Word {
    /// Why, for the record.
    #[arg(long, default_value = "")]
    why: String,
    /// Who decides; the name of the logged-in user when absent.
    #[arg(long)]
    by: Option<String>,
}

/// One by its exchange, or many by a filter.
#[derive(Args)]
pub(super) struct Act {
    exchange: Option<String>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    word: Word,
    /// With a filter: do not ask.
    #[arg(long)]
    yes: bool,
    /// With a filter: only say which ones it would be.
    #[arg(long)]
    dry_run: bool,
    /// With a filter: so many a second (50 if absent); limits hold besides.
    #[arg(long)]
    rate: Option<u32>,
}

pub(super) fn run(config: &Path, json: bool, command: &Command) -> Result<(), Failure> {
    let admin = Admin::of(config)?;
    block_on(async {
        match command {
            Command::List { filter, by, limit } => list(&admin, json, filter, by, *limit).await,
            Command::Show { exchange } => {
                let found = admin.get(&format!("/v1/exceptions/{}", escape(exchange))).await?;
                match json {
                    true => say!("{found}"),
                    false => show::whole(&found),
                }
                Ok(())
            }
            Command::Retry(act) => one_or_many(&admin, json, "retry", act, None).await,
            Command::Compensate { exchange, word } => {
                let body = json!({ "by": person(word.by.as_deref()), "why": word.why });
                send(&admin, json, exchange, "compensate", &body).await
            }
            Command::Discard(act) => one_or_many(&admin, json, "discard", act, None).await,
            Command::Assign { act, to } => {
                one_or_many(&admin, json, "assign", act, to.as_deref()).await
            }
            Command::Edit { exchange, file, word } => {
                edit::run(&admin, json, exchange, file.as_deref(), word).await
            }
            Command::Settle { exchange, applied, absent: _, word } => {
                let mut body = json!({ "by": person(word.by.as_deref()), "why": word.why });
                body["took_effect"] = applied.is_some().into();
                if let Some(file) = applied {
                    body["result"] = edit::read(file)?;
                }
                send(&admin, json, exchange, "settle", &body).await
            }
            Command::Jobs { job, cancel } => {
                many::jobs(&admin, json, job.as_deref(), *cancel).await
            }
        }
    })?
}

async fn list(
    admin: &Admin,
    json: bool,
    filter: &Filter,
    by: &Option<String>,
    limit: usize,
) -> Result<(), Failure> {
    let mut query: Vec<String> = vec![format!("limit={limit}")];
    for (name, value) in filter.pairs() {
        query.push(format!("{name}={}", escape(value.as_str().unwrap_or_default())));
    }
    query.extend(by.as_ref().map(|by| format!("by={}", escape(by))));
    let found = admin.get(&format!("/v1/exceptions?{}", query.join("&"))).await?;
    match (json, by) {
        (true, _) => say!("{found}"),
        (false, Some(by)) => show::groups(&found["groups"], by),
        (false, None) => show::list(&found["exceptions"], limit),
    }
    Ok(())
}

async fn one_or_many(
    admin: &Admin,
    json: bool,
    action: &str,
    act: &Act,
    to: Option<&str>,
) -> Result<(), Failure> {
    let filter = act.filter.pairs();
    match (&act.exchange, filter.is_empty()) {
        (Some(exchange), true) => {
            if action == "discard" && act.word.why.trim().is_empty() {
                return Err(Failure::failed("say --why: it is what the audit trail will hold"));
            }
            let mut body = json!({ "by": person(act.word.by.as_deref()), "why": act.word.why });
            if action == "assign" {
                body["to"] = to.into();
            }
            send(admin, json, exchange, action, &body).await
        }
        (None, false) => many::run(admin, json, action, act, filter, to).await,
        _ => Err(Failure::failed(format!(
            "name one exchange, or a filter\n  help: crossdock exceptions {action} 0D9K5F3V2R8QW --why \"...\", or {action} --class erp-5xx --since 14:00 --why \"...\""
        ))),
    }
}

/// An action on one exception.
async fn send(
    admin: &Admin,
    json: bool,
    exchange: &str,
    action: &str,
    body: &Value,
) -> Result<(), Failure> {
    let done = admin.post(&format!("/v1/exceptions/{}/{action}", escape(exchange)), body).await?;
    if json {
        say!("{done}");
    } else {
        match (action, body["to"].as_str()) {
            ("assign", Some(to)) => say!("{exchange}: {to} has it in hand"),
            ("assign", None) => say!("{exchange}: nobody has it in hand now"),
            _ => say!("{exchange}: {action} taken"),
        }
    }
    Ok(())
}
