//! `crossdock tasks`: what waits for a person's decision, and the decision.

use std::path::Path;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Admin, escape};
use super::{Failure, block_on, person};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show open tasks.
    List {
        /// Only those of this role.
        #[arg(long)]
        role: Option<String>,
    },
    /// Answer a task; its exchange goes on.
    Answer {
        /// The exchange that asks.
        exchange: String,
        /// One of the answers that the task asks for.
        answer: String,
        /// Why, for the record.
        #[arg(long)]
        note: Option<String>,
        /// Who decides; the name of the logged-in user when absent.
        #[arg(long)]
        by: Option<String>,
    },
}

pub(super) fn run(config: &Path, json: bool, command: &Command) -> Result<(), Failure> {
    let admin = Admin::of(config)?;
    block_on(async {
        match command {
            Command::List { role } => {
                let query =
                    role.as_ref().map(|role| format!("?role={}", escape(role))).unwrap_or_default();
                let found = admin.get(&format!("/v1/tasks{query}")).await?;
                if json {
                    say!("{found}")
                } else {
                    print_tasks(&found["tasks"])
                }
                Ok(())
            }
            Command::Answer { exchange, answer, note, by } => {
                let body = json!({ "answer": answer, "by": person(by.as_deref()), "note": note });
                let path = format!("/v1/tasks/{}/answer", escape(exchange));
                let done = admin.post(&path, &body).await?;
                if json {
                    say!("{done}")
                } else {
                    say!("{exchange} goes on with `{answer}`")
                }
                Ok(())
            }
        }
    })?
}

fn print_tasks(tasks: &Value) {
    let tasks = tasks.as_array().map(Vec::as_slice).unwrap_or_default();
    if tasks.is_empty() {
        say!("no open tasks");
    }
    for task in tasks {
        let text = |name: &str| task[name].as_str().unwrap_or_default();
        let ask = task["ask"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ask: Vec<&str> = ask.iter().filter_map(Value::as_str).collect();
        say!("{}  {}.{}  for {}", text("exchange"), text("route"), text("step"), text("role"));
        say!("    asks: {}", ask.join(" | "));
        say!("    shows: {}", task["show"]);
        say!("    since {}, due {}", text("opened_at"), task["due_at"].as_str().unwrap_or("never"));
        if let Some(first) = ask.first() {
            say!("    answer with: crossdock tasks answer {} {first}", text("exchange"));
        }
    }
}
