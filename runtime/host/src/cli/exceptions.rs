//! `crossdock exceptions`: what stands until a person acts, why, and what to do about it.

use std::path::Path;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Admin, escape};
use super::trace::print_exchange;
use super::{Failure, block_on, person};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show open exceptions.
    List {
        #[arg(long)]
        class: Option<String>,
        #[arg(long)]
        owner: Option<String>,
        #[arg(long)]
        route: Option<String>,
    },
    /// Show one with its message and all that happened to it.
    Show { exchange: String },
    /// Run the failed step again, under the same key unless the system had refused it.
    Retry {
        exchange: String,
        /// Why, for the record.
        #[arg(long, default_value = "")]
        why: String,
        /// Who decides; the name of the logged-in user when absent.
        #[arg(long)]
        by: Option<String>,
    },
    /// Take back what the exchange did, newest first. While that is under way: the undo that failed
    /// is settled by hand, and the rest goes on.
    Compensate {
        exchange: String,
        /// Why, for the record.
        #[arg(long)]
        why: String,
        #[arg(long)]
        by: Option<String>,
    },
    /// Give the exchange up. Effects that it already had stay.
    Discard {
        exchange: String,
        /// Why, for the record.
        #[arg(long)]
        why: String,
        #[arg(long)]
        by: Option<String>,
    },
}

pub(super) fn run(config: &Path, json: bool, command: &Command) -> Result<(), Failure> {
    let admin = Admin::of(config)?;
    block_on(async {
        match command {
            Command::List { class, owner, route } => {
                let filters = [("class", class), ("owner", owner), ("route", route)];
                let query: Vec<String> = filters
                    .iter()
                    .filter_map(|(name, value)| Some(format!("{name}={}", escape(value.as_ref()?))))
                    .collect();
                let found = admin.get(&format!("/v1/exceptions?{}", query.join("&"))).await?;
                if json {
                    say!("{found}")
                } else {
                    print_list(&found["exceptions"])
                }
                Ok(())
            }
            Command::Show { exchange } => {
                let found = admin.get(&format!("/v1/exceptions/{}", escape(exchange))).await?;
                if json {
                    say!("{found}");
                } else {
                    print_one(&found);
                    print_waiting(&found);
                    print_exchange(&found["document"], "", true);
                    say!("message: {}", found["document"]["message"]);
                }
                Ok(())
            }
            Command::Retry { exchange, why, by } => {
                close(&admin, json, exchange, "retry", why, by.as_deref()).await
            }
            Command::Compensate { exchange, why, by } => {
                close(&admin, json, exchange, "compensate", why, by.as_deref()).await
            }
            Command::Discard { exchange, why, by } => {
                close(&admin, json, exchange, "discard", why, by.as_deref()).await
            }
        }
    })?
}

async fn close(
    admin: &Admin,
    json: bool,
    exchange: &str,
    action: &str,
    why: &str,
    by: Option<&str>,
) -> Result<(), Failure> {
    let body = json!({ "by": person(by), "why": why });
    let done = admin.post(&format!("/v1/exceptions/{}/{action}", escape(exchange)), &body).await?;
    if json {
        say!("{done}")
    } else {
        say!("{exchange}: {action} taken")
    }
    Ok(())
}

fn print_list(exceptions: &Value) {
    let exceptions = exceptions.as_array().map(Vec::as_slice).unwrap_or_default();
    if exceptions.is_empty() {
        say!("no open exceptions");
    }
    exceptions.iter().for_each(print_one);
}

/// What an exchange that keeps its lane holds up.
fn print_waiting(exception: &Value) {
    let lane = &exception["document"]["lane"];
    let text = |name: &str| lane[name].as_str().unwrap_or_default();
    match exception["waiting_behind"].as_u64() {
        None | Some(0) => {}
        Some(1) => say!("    1 exchange waits behind it: {} {}", text("scope"), text("key")),
        Some(count) => {
            say!("    {count} exchanges wait behind it: {} {}", text("scope"), text("key"));
        }
    }
}

fn print_one(exception: &Value) {
    let text = |name: &str| exception[name].as_str().unwrap_or_default();
    say!(
        "{}  {}  {}.{}  owner {}  {} s old",
        text("exchange"),
        text("class"),
        text("route"),
        text("step"),
        text("owner"),
        exception["age_s"]
    );
    say!("    {}: {}", text("code"), text("message"));
}
