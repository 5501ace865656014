//! An action on all that a filter means: first how many, then yes or no, then its progress.

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Act;
use crate::cli::client::{Admin, escape};
use crate::cli::moment::shown;
use crate::cli::{Failure, person};

/// How often progress is asked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const ACTIONS: &str = "/v1/exceptions/actions";

pub(super) async fn run(
    admin: &Admin,
    json: bool,
    action: &str,
    act: &Act,
    filter: Map<String, Value>,
    to: Option<&str>,
) -> Result<(), Failure> {
    if act.word.why.trim().is_empty() {
        return Err(Failure::failed("say --why: it is what the audit trail will hold"));
    }
    let mut body = json!({
        "action": action, "filter": filter, "by": person(act.word.by.as_deref()),
        "why": act.word.why, "dry_run": true,
    });
    if let Some(to) = to {
        body["to"] = to.into();
    }
    if let Some(rate) = act.rate {
        body["rate"] = rate.into();
    }
    let would = admin.post(ACTIONS, &body).await?;
    let total = would["total"].as_u64().unwrap_or(0);
    if act.dry_run {
        match json {
            true => say!("{would}"),
            false => print_would(action, &would),
        }
        return Ok(());
    }
    if total == 0 {
        say!("{}", if json { would.to_string() } else { "no open exception fits".to_owned() });
        return Ok(());
    }
    if !act.yes && !agreed(action, total)? {
        say!("nothing was done");
        return Ok(());
    }
    body["dry_run"] = false.into();
    body["expect"] = total.into();
    let mut job = admin.post(ACTIONS, &body).await?;
    let id = job["job"].as_str().unwrap_or_default().to_owned();
    let live = !json && std::io::stderr().is_terminal();
    while matches!(job["state"].as_str(), Some("running" | "stopping")) {
        tokio::time::sleep(LOOK_EVERY).await;
        job = admin.get(&format!("{ACTIONS}/{}", escape(&id))).await?;
        if live {
            eprint!("\r{} of {} ({} failed) ", job["done"], job["total"], job["failed"]);
        }
    }
    if live {
        eprintln!();
    }
    match json {
        true => say!("{job}"),
        false => print(&job),
    }
    match job["failed"].as_u64() {
        Some(0) | None => Ok(()),
        Some(_) => Err(Failure::told()),
    }
}

fn print_would(action: &str, would: &Value) {
    say!("would {action} {}", counted(would["total"].as_u64().unwrap_or(0)));
    for exchange in would["exchanges"].as_array().into_iter().flatten() {
        say!("    {}", exchange.as_str().unwrap_or_default());
    }
}

fn counted(total: u64) -> String {
    if total == 1 { "1 exception".to_owned() } else { format!("{total} exceptions") }
}

/// Asks the person; where there is none, only --yes is a yes.
fn agreed(action: &str, total: u64) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::failed(format!(
            "this would {action} {}; say --yes to do it, or --dry-run to see which",
            counted(total)
        )));
    }
    eprint!("{action} {}? [y/N] ", counted(total));
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(Failure::failed)?;
    Ok(matches!(answer.trim(), "y" | "yes"))
}

fn print(job: &Value) {
    let text = |name: &str| job[name].as_str().unwrap_or_default();
    say!(
        "job {}  {} by {}  {}: {} of {} taken, {} failed  (since {})",
        text("job"),
        text("action"),
        text("by"),
        text("state"),
        job["done"],
        job["total"],
        job["failed"],
        shown(text("started_at")),
    );
    for failure in job["failures"].as_array().into_iter().flatten() {
        let text = |name: &str| failure[name].as_str().unwrap_or_default();
        say!("    {}: {}", text("exchange"), text("reason"));
    }
}

pub(super) async fn jobs(
    admin: &Admin,
    json: bool,
    job: Option<&str>,
    cancel: bool,
) -> Result<(), Failure> {
    let found = match job {
        None => admin.get(ACTIONS).await?,
        Some(job) if cancel => {
            admin.post(&format!("{ACTIONS}/{}/cancel", escape(job)), &json!({})).await?
        }
        Some(job) => admin.get(&format!("{ACTIONS}/{}", escape(job))).await?,
    };
    if json {
        say!("{found}");
    } else if let Some(jobs) = found["jobs"].as_array() {
        if jobs.is_empty() {
            say!("no action on many exceptions since the runtime started");
        }
        jobs.iter().for_each(print);
    } else {
        print(&found);
    }
    Ok(())
}
