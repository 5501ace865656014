//! A route version: the plan with exactly the contracts and components it was checked against. Its
//! digest names all of them, so an exchange finishes on what it began with, over edits and restarts.

use std::collections::BTreeMap;
use std::sync::Arc;

use connector::Connector;
use contract::Contracts;
use dashmap::DashMap;
use journal::{Digest, Journal, Record};
use route::{Plan, Policy, Source};
use serde::{Deserialize, Serialize};

use super::{RunningSet, Secrets, Upstreams, connector_types};
use crate::config::Config;

pub struct RouteVersion {
    pub digest: Digest,
    pub plan: Arc<Plan>,
    /// Those that the route calls, by alias.
    pub connectors: BTreeMap<String, Arc<Connector>>,
}

/// The stored form: artifact of kind `route`, JSON.
#[derive(Serialize, Deserialize)]
struct Stored {
    file: String,
    text: String,
    /// Artifact of kind `contracts`: JSON array of {path, text}.
    contracts: String,
    /// Component digests by alias.
    connectors: BTreeMap<String, String>,
    /// The retry policies that it names, as they were.
    #[serde(default)]
    retries: BTreeMap<String, Policy>,
}

#[derive(Serialize, Deserialize)]
struct StoredSource {
    path: String,
    text: String,
}

/// Why an older version cannot be taken up again.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    #[error(transparent)]
    Journal(#[from] journal::Error),
    #[error("the journal holds no {what} {digest}")]
    Missing { what: &'static str, digest: String },
    #[error("the stored {what} cannot be read: {reason}")]
    Unreadable { what: &'static str, reason: String },
    #[error("[connectors.{alias}] is no longer configured, and the version needs it")]
    NoConnector { alias: String },
}

impl RouteVersion {
    /// `stored` receives what must be in the journal before the first exchange of this version.
    pub fn new(
        plan: Arc<Plan>,
        connectors: &BTreeMap<String, Arc<Connector>>,
        contracts: Digest,
        stored: &mut Vec<Record>,
    ) -> RouteVersion {
        let used: BTreeMap<String, Arc<Connector>> = plan
            .connectors()
            .into_iter()
            .filter_map(|alias| Some((alias.to_owned(), connectors.get(alias)?.clone())))
            .collect();
        let document = Stored {
            file: plan.file.clone(),
            text: plan.text.to_string(),
            contracts: contracts.to_string(),
            connectors: used
                .iter()
                .map(|(alias, connector)| (alias.clone(), connector.digest.clone()))
                .collect(),
            retries: plan.policies(),
        };
        let bytes = serde_json::to_vec(&document).unwrap_or_default();
        let digest = Digest::of(&bytes);
        stored.push(Record::Artifact { digest, kind: "route".to_owned(), bytes });
        stored.push(Record::RouteVersion { digest, name: plan.name.clone(), artifact: digest });
        RouteVersion { digest, plan, connectors: used }
    }
}

impl RouteVersion {
    /// The connector and operation that a webhook or poll comes in through.
    pub fn source_operation(&self) -> Option<(&str, &str)> {
        match &self.plan.source {
            Source::Webhook(webhook) => Some((&webhook.connector, &webhook.operation)),
            Source::Poll(poll) => Some((&poll.connector, &poll.operation)),
            Source::Http(_) | Source::Event(_) | Source::Schedule(_) => None,
        }
    }

    /// What that operation takes: a webhook request or a poll request.
    pub fn source_input(&self) -> Option<&contract::Type> {
        let (alias, operation) = self.source_operation()?;
        let (operation, _) = self.connectors.get(alias)?.operation(operation)?;
        Some(&operation.input)
    }
}

/// What the document of a route version needs besides itself: contracts and components. None if it
/// cannot be read.
pub fn artifacts_of(document: &[u8]) -> Option<Vec<Digest>> {
    let stored: Stored = serde_json::from_slice(document).ok()?;
    let parts = std::iter::once(&stored.contracts).chain(stored.connectors.values());
    parts.map(|digest| digest.parse().ok()).collect()
}

pub fn store_contracts(sources: &[contract::Source], stored: &mut Vec<Record>) -> Digest {
    let sources: Vec<StoredSource> = sources
        .iter()
        .map(|source| StoredSource { path: source.path.clone(), text: source.text.clone() })
        .collect();
    let bytes = serde_json::to_vec(&sources).unwrap_or_default();
    let digest = Digest::of(&bytes);
    stored.push(Record::Artifact { digest, kind: "contracts".to_owned(), bytes });
    digest
}

/// Finds versions: those that run, and older ones taken up again from the journal.
pub struct Versions {
    config: Arc<Config>,
    runtime: Arc<connector::Runtime>,
    upstreams: Upstreams,
    journal: Journal,
    known: DashMap<Digest, Arc<RouteVersion>>,
}

impl Versions {
    pub fn new(
        config: Arc<Config>,
        runtime: Arc<connector::Runtime>,
        upstreams: Upstreams,
        journal: Journal,
    ) -> Self {
        Versions { config, runtime, upstreams, journal, known: DashMap::new() }
    }

    pub fn add_all(&self, set: &RunningSet) {
        for version in &set.routes {
            self.known.insert(version.digest, version.clone());
        }
    }

    pub async fn get(&self, digest: Digest) -> Result<Arc<RouteVersion>, Unavailable> {
        if let Some(version) = self.known.get(&digest) {
            return Ok(version.clone());
        }
        let version = Arc::new(self.load(digest).await?);
        tracing::info!(route = version.plan.name, %digest, "an older version is taken up again");
        self.known.insert(digest, version.clone());
        Ok(version)
    }

    async fn load(&self, digest: Digest) -> Result<RouteVersion, Unavailable> {
        let stored: Stored = self.document("route version", &digest.to_string()).await?;
        let sources: Vec<StoredSource> = self.document("contracts", &stored.contracts).await?;
        let sources: Vec<contract::Source> = sources
            .into_iter()
            .map(|source| contract::Source { path: source.path, text: source.text })
            .collect();
        let mut contracts =
            Contracts::parse(&sources).map_err(|problems| unreadable("contracts", &problems))?;
        let mut connectors = BTreeMap::new();
        for (alias, component) in &stored.connectors {
            let entry = self
                .config
                .connectors
                .get(alias)
                .ok_or_else(|| Unavailable::NoConnector { alias: alias.clone() })?;
            let bytes = self.artifact("component", component).await?;
            let connector = super::connect::load(
                &self.config,
                &self.runtime,
                &self.upstreams,
                Secrets::Read,
                alias,
                entry,
                &bytes,
            )
            .await
            .map_err(|problems| unreadable("component", &problems))?;
            contracts.add_component(&connector.component);
            connectors.insert(alias.clone(), Arc::new(connector));
        }
        let types = connectors
            .iter()
            .map(|(alias, connector)| (alias.clone(), connector_types(connector)))
            .collect();
        let environment = route::Environment {
            contracts: &contracts,
            connectors: &types,
            limits: None,
            policies: &stored.retries,
        };
        let file = route::File { path: stored.file, text: stored.text };
        let checked = route::check(&[file], &environment);
        let plan = checked
            .plans
            .into_iter()
            .next()
            .ok_or_else(|| unreadable("route version", &checked.reports))?;
        Ok(RouteVersion { digest, plan, connectors })
    }

    async fn document<T: serde::de::DeserializeOwned>(
        &self,
        what: &'static str,
        digest: &str,
    ) -> Result<T, Unavailable> {
        let bytes = self.artifact(what, digest).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Unavailable::Unreadable { what, reason: error.to_string() })
    }

    async fn artifact(&self, what: &'static str, digest: &str) -> Result<Vec<u8>, Unavailable> {
        let missing = || Unavailable::Missing { what, digest: digest.to_owned() };
        let name: Digest = digest.parse().map_err(|_| missing())?;
        self.journal.artifact(name).await?.map(|artifact| artifact.bytes).ok_or_else(missing)
    }
}

fn unreadable(what: &'static str, reasons: &[impl ToString]) -> Unavailable {
    let reason = reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    Unavailable::Unreadable { what, reason }
}
