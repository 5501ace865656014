//! `crossdock check`: everything that `run` would refuse, without starting anything and without a
//! secret.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::{Failure, block_on};
use crate::config::Config;
use crate::ingress::access;
use crate::limits::Limits;
use crate::running::{self, Loaded, Secrets};
use crate::state::NoState;
use crate::{clock, tls};

pub(super) fn run(config: &Path, json: bool) -> Result<(), Failure> {
    let config = Config::read(config)?;
    let loaded = block_on(load(&config))??;
    if json {
        say!(
            "{}",
            json!({
                "routes": loaded.set.routes.len(),
                "connectors": loaded.set.connectors.len(),
                "warnings": loaded.warnings,
            })
        );
        return Ok(());
    }
    for warning in &loaded.warnings {
        eprintln!("{warning}\n");
    }
    say!(
        "checked: {} routes, {} connectors, {} warnings",
        loaded.set.routes.len(),
        loaded.set.connectors.len(),
        loaded.warnings.len()
    );
    Ok(())
}

async fn load(config: &Config) -> Result<Loaded, Failure> {
    // Compiled components are kept if the folder of the data is there; a check makes none.
    let cache_dir = config.data.is_dir().then(|| config.data.join("compiled"));
    let options = connector::Options { cache_dir, instances_max: 8, ..Default::default() };
    let runtime =
        connector::Runtime::new(options, Arc::new(NoState)).map_err(Failure::surroundings)?;
    let upstreams = running::upstreams(config, &Limits::build(&config.limits), Secrets::LeftOut)
        .map_err(|problems| Failure::files(problems.join("\n\n")))?;
    let listen = &config.listen;
    for (tls, table) in [(&listen.tls, "tls"), (&listen.admin_tls, "admin_tls")] {
        if let Some(tls) = tls {
            tls::certificates(tls, table, config, clock::now())?;
        }
    }
    let loaded = running::load(config, &runtime, &upstreams, Secrets::LeftOut)
        .await
        .map_err(Failure::files)?;
    let problems = access::check(config, &loaded.set);
    if problems.is_empty() { Ok(loaded) } else { Err(Failure::files(problems.join("\n\n"))) }
}
