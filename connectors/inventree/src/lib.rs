//! InvenTree as WMS: a canonical order is a sales order, a promise its allocations, a shipment its
//! shipment. It honours no idempotency key: a sales order is found by a number made of the order's
//! id, a shipment and a line by their `reference`, and each operation goes on from what it finds.

mod calling_off;
mod client;
mod customer;
mod fulfilment;
mod inquiry;
mod inventory;
mod milestones;
mod objects;
mod order;
mod promising;
mod shipment;
mod sites;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crossdock_sdk::canonical::common::Address;
use crossdock_sdk::{Description, describe, mutation, query};
use exports::crossdock::core::connector;
use serde::Deserialize;

crossdock_sdk::connector! {
    exports: [
        "crossdock:wms/promising@1.0.0",
        "crossdock:wms/promising-probe@1.0.0",
        "crossdock:wms/fulfilment@1.0.0",
        "crossdock:wms/fulfilment-probe@1.0.0",
        "crossdock:wms/shipment-inquiry@1.0.0",
        "crossdock:wms/milestone-feed@1.0.0",
        "crossdock:wms/inventory-inquiry@1.0.0",
    ]
}

struct Connector;

pub const SYSTEM: &str = "inventree";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The company that owns the goods, by its canonical id.
    pub company: String,
    /// Stock locations that count as sites, in order of preference; without it those at the top.
    #[serde(default)]
    pub sites: Vec<String>,
    /// The addresses of the sites, for the carrier; InvenTree has none.
    #[serde(default, deserialize_with = "addresses")]
    pub site_addresses: BTreeMap<String, Address>,
    /// The prefix in InvenTree's pattern of sales order numbers.
    #[serde(default = "so")]
    pub reference_prefix: String,
    /// The customer number of orders without one.
    #[serde(default)]
    pub guest: Option<String>,
    /// The country of addresses without one.
    #[serde(default = "us")]
    pub country: String,
}

fn so() -> String {
    "SO-".into()
}

fn us() -> String {
    "US".into()
}

/// An address as an admin writes it: `{ lines = ["1 Dock Rd"], city = "..", country = "US" }`.
fn addresses<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Address>, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Written {
        lines: Vec<String>,
        city: String,
        #[serde(default)]
        region: Option<String>,
        #[serde(default)]
        postal_code: Option<String>,
        country: String,
        #[serde(default)]
        time_zone: Option<String>,
    }
    let written = BTreeMap::<String, Written>::deserialize(deserializer)?;
    let addresses = written.into_iter().map(|(site, written)| {
        let address = Address {
            lines: written.lines,
            city: written.city,
            region: written.region,
            postal_code: written.postal_code,
            country: written.country,
            time_zone: written.time_zone,
            residential: None,
            validation: None,
        };
        (site, address)
    });
    Ok(addresses.collect())
}

/// InvenTree answers after its transaction is committed; what was cut off may still be running.
const SETTLING_MS: u64 = 2_000;

impl connector::Guest for Connector {
    fn describe() -> Description {
        let looked_up = |name| mutation(name).looked_up();
        describe(SYSTEM, env!("CARGO_PKG_VERSION"), "Stock, allocation and shipments in InvenTree.")
            .config(include_str!("../config.schema.json"))
            .upstream("inventree", "the InvenTree API", &["header"])
            .operations([
                looked_up("promise-order").probed(SETTLING_MS).undone_by("release-promise"),
                looked_up("release-promise"),
                query("probe-promise-order"),
                looked_up("request-shipment").probed(SETTLING_MS).undone_by("cancel-shipment"),
                looked_up("release-shipment").undone_by("hold-shipment"),
                looked_up("hold-shipment"),
                looked_up("cancel-shipment"),
                query("probe-request-shipment"),
                query("get-shipment"),
                query("list-order-shipments"),
                query("poll-shipment-milestones"),
                query("get-inventory"),
            ])
    }
}
