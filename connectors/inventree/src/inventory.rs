//! Stock by item and site.

use crossdock_sdk::canonical::inventory::InventoryPosition;
use crossdock_sdk::{Call, Decimal, Fault, config, decimal};

use crate::client::list;
use crate::exports::crossdock::wms::inventory_inquiry::{
    GetInventoryInput, GetInventoryOutput, Guest,
};
use crate::objects::{Part, STOCK_OK, StockItem};
use crate::order::{self, part_unit};
use crate::sites::Sites;
use crate::{Config, Connector};

impl Guest for Connector {
    fn get_inventory(call: Call, input: GetInventoryInput) -> Result<GetInventoryOutput, Fault> {
        let config: Config = config::get()?;
        let Some(part) = order::part(&input.item)? else {
            return Ok(GetInventoryOutput { positions: Vec::new() });
        };
        let stock = on_shelves(&part)?;
        let sites = Sites::read(&config)?;
        let wanted = |name: &str| input.site.as_ref().is_none_or(|wanted| wanted == name);
        let mut positions = Vec::new();
        for site in sites.all.iter().filter(|site| wanted(&site.name)) {
            let here: Vec<&StockItem> = stock
                .iter()
                .filter(|item| sites.at(item.location).is_some_and(|at| at.pk == site.pk))
                .collect();
            let good = here.iter().filter(|item| item.status == STOCK_OK);
            let available: Decimal = good.map(|item| item.quantity - item.allocated).sum();
            positions.push(InventoryPosition {
                id: format!("{}@{}", input.item, site.name),
                company: config.company.clone(),
                references: Vec::new(),
                attributes: Vec::new(),
                version: 0,
                occurred_at: call.started_at.clone(),
                item: input.item.clone(),
                site: site.name.clone(),
                unit: part_unit(&part).to_owned(),
                on_hand: decimal::text(here.iter().map(|item| item.quantity).sum()),
                allocated: decimal::text(here.iter().map(|item| item.allocated).sum()),
                available: decimal::text(available),
                expected: Vec::new(),
            });
        }
        Ok(GetInventoryOutput { positions })
    }
}

/// The stock items of a part that nobody has got yet.
pub fn on_shelves(part: &Part) -> Result<Vec<StockItem>, Fault> {
    list("/api/stock/", &[("part", &part.pk.to_string()), ("in_stock", "true")])
}
