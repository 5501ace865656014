//! The running set: contracts, connectors and routes that were checked against each other, compiled
//! aside and taken into use as one. Older versions stay loadable from the journal by digest.

mod connect;
mod files;
mod version;

use std::collections::BTreeMap;
use std::sync::Arc;

use connector::Connector;
use contract::Contracts;
use journal::Digest;
use route::Source;

use crate::config::Config;

pub use connect::{Secrets, Upstreams, connector_types, load as load_connector, upstreams};
pub use version::{RouteVersion, Unavailable, Versions, artifacts_of};

/// What runs now. Immutable; a reload makes another.
pub struct RunningSet {
    pub connectors: BTreeMap<String, Arc<Connector>>,
    pub routes: Vec<Arc<RouteVersion>>,
    /// Artifacts and versions to store in the journal before the first exchange.
    pub stored: Vec<journal::Record>,
}

/// The files are wrong. Every problem, each with its place, reason and fix.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.join("\n\n"))]
pub struct Wrong {
    pub problems: Vec<String>,
}

/// A set with the warnings of its check.
pub struct Loaded {
    pub set: RunningSet,
    pub warnings: Vec<route::Report>,
}

/// Reads, compiles and checks everything that the configuration names.
pub async fn load(
    config: &Config,
    runtime: &connector::Runtime,
    upstreams: &Upstreams,
    secrets: Secrets,
) -> Result<Loaded, Wrong> {
    let files = files::read(config).map_err(|problems| Wrong { problems })?;
    let mut contracts = Contracts::parse(&files.contracts).map_err(|problems| Wrong {
        problems: problems.iter().map(ToString::to_string).collect(),
    })?;
    let connectors = connect::load_all(config, runtime, upstreams, secrets, &files.components)
        .await
        .map_err(|problems| Wrong { problems })?;
    for connector in connectors.values() {
        contracts.add_component(&connector.component);
    }
    let types = connectors
        .iter()
        .map(|(alias, connector)| (alias.clone(), connector_types(connector)))
        .collect();
    let limits: Vec<String> = config.limits.keys().cloned().collect();
    let environment = route::Environment {
        contracts: &contracts,
        connectors: &types,
        limits: Some(&limits),
        policies: &config.retries,
    };
    let checked = route::check(&files.routes, &environment);
    let (errors, warnings): (Vec<_>, Vec<_>) =
        checked.reports.into_iter().partition(|report| report.severity == route::Severity::Error);
    if !errors.is_empty() {
        return Err(Wrong { problems: errors.iter().map(ToString::to_string).collect() });
    }
    let mut stored = Vec::new();
    let contracts_digest = version::store_contracts(&files.contracts, &mut stored);
    for (alias, bytes) in &files.components {
        let kind = format!("component {alias}");
        stored.push(journal::Record::Artifact {
            digest: Digest::of(bytes),
            kind,
            bytes: bytes.clone(),
        });
    }
    let routes = checked
        .plans
        .into_iter()
        .map(|plan| Arc::new(RouteVersion::new(plan, &connectors, contracts_digest, &mut stored)))
        .collect();
    Ok(Loaded { set: RunningSet { connectors, routes, stored }, warnings })
}

impl RunningSet {
    /// Routes that take a published topic.
    pub fn subscribers<'a>(
        &'a self,
        topic: &'a str,
    ) -> impl Iterator<Item = &'a Arc<RouteVersion>> {
        self.routes.iter().filter(move |version| {
            matches!(&version.plan.source, Source::Event(event) if event.topic.to_string() == topic)
        })
    }
}
