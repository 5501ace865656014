//! `crossdock sources`: when the source of each route was last heard of, and what lags.

use std::path::Path;

use serde_json::Value;

use super::client::Admin;
use super::moment::{age, shown};
use super::{Failure, block_on};

pub(super) fn run(config: &Path, json: bool) -> Result<(), Failure> {
    let admin = Admin::of(config)?;
    let found = block_on(admin.get("/v1/sources"))??;
    if json {
        say!("{found}");
        return Ok(());
    }
    for source in found["sources"].as_array().into_iter().flatten() {
        say!("{}", line(source));
    }
    Ok(())
}

/// `shipment-milestones  poll wms.list-milestones  last message 14:02  answered 14:05  lag 12 s`
fn line(source: &Value) -> String {
    let text = |name: &str| source[name].as_str();
    let mut parts = vec![text("route").unwrap_or_default().to_owned()];
    parts.push(text("source").unwrap_or_default().to_owned());
    parts.push(match text("last_message") {
        Some(at) => format!("last message {}", shown(at)),
        None => "no message yet".to_owned(),
    });
    match (source["lag_s"].as_u64(), text("next")) {
        (Some(lag), Some(_)) if lag > 0 => parts.push(format!("{} behind", age(lag))),
        (_, Some(next)) => parts.push(format!("next {}", shown(next))),
        (Some(lag), None) => {
            parts.push(match text("last_success") {
                Some(at) => format!("answered {}", shown(at)),
                None => "no answer yet".to_owned(),
            });
            parts.push(format!("lag {}", age(lag)));
        }
        (None, None) => {}
    }
    if source["late"] == true {
        parts.push("LATE".to_owned());
    }
    if source["paused"] == true {
        parts.push("paused".to_owned());
    }
    parts.join("  ")
}
