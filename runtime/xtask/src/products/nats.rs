//! NATS with JetStream as a broker of events: three nodes, one cluster, each with its own store.

use anyhow::{Context, Result};

use super::Product;
use super::cache::Cache;
use super::running::{Place, Program, Running};

pub const PRODUCT: Product = Product {
    name: "nats",
    says: "events: three nodes of NATS with JetStream",
    install: |cache| cache.python("nats").map(drop),
    start,
};

/// Of each node: its name, and the names of its ports for clients, for the cluster, and for what it
/// tells of itself.
const NODES: [[&str; 4]; 3] = [
    ["nats-1", "nats-1-client", "nats-1-cluster", "nats-1-monitor"],
    ["nats-2", "nats-2-client", "nats-2-cluster", "nats-2-monitor"],
    ["nats-3", "nats-3-client", "nats-3-cluster", "nats-3-monitor"],
];

fn start(cache: &Cache, place: &Place) -> Result<Running> {
    let python = cache.python("nats")?;
    let server = python.parent().context("python lies in a folder")?.join("nats-server");
    let (mut routes, mut urls) = (Vec::new(), Vec::new());
    for [_, client, cluster, _] in NODES {
        urls.push(format!("nats://127.0.0.1:{}", place.port(client)?));
        routes.push(format!("nats://127.0.0.1:{}", place.port(cluster)?));
    }
    let mut nodes = Vec::new();
    for ([name, client, _, monitor], route) in NODES.into_iter().zip(&routes) {
        let monitor = place.port(monitor)?;
        let store = place.folder(name)?.display().to_string();
        let arguments = [
            format!("--name={name}"),
            "--addr=127.0.0.1".to_owned(),
            format!("--port={}", place.port(client)?),
            // Of the address above, as all its listeners.
            format!("--http_port={monitor}"),
            "--jetstream".to_owned(),
            format!("--store_dir={store}"),
            "--cluster_name=crossdock".to_owned(),
            format!("--cluster={route}"),
            format!("--routes={}", routes.join(",")),
        ];
        nodes.push(place.start(&Program {
            name,
            program: &server,
            arguments: &arguments,
            environment: &[],
            answers: (monitor, "/healthz"),
        })?);
    }
    let list = |items: Vec<String>| items.join(",");
    let pids = list(nodes.iter().map(|node| node.id().to_string()).collect());
    let mut nodes = nodes.into_iter();
    let first = nodes.next().context("a cluster has nodes")?;
    let running = nodes.fold(Running::of(first), Running::with);
    Ok(running.tells("NATS_URLS", list(urls)).tells("NATS_PIDS", pids))
}
