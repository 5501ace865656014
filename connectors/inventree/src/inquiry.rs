//! Shipments as they are now.

use crossdock_sdk::{Call, Fault, config};

use crate::exports::crossdock::wms::shipment_inquiry::{
    GetShipmentInput, GetShipmentOutput, Guest, ListOrderShipmentsInput, ListOrderShipmentsOutput,
};
use crate::order::{Generations, Whole};
use crate::shipment::{described, find, is_promise, shipment};
use crate::sites::Sites;
use crate::{Config, Connector, customer};

impl Guest for Connector {
    fn get_shipment(_call: Call, input: GetShipmentInput) -> Result<GetShipmentOutput, Fault> {
        let config: Config = config::get()?;
        Ok(match find(&input.shipment, &config)? {
            Some((found, whole)) => GetShipmentOutput::Found(described(&found, &whole, &config)?),
            None => GetShipmentOutput::Unknown,
        })
    }

    fn list_order_shipments(
        _call: Call,
        input: ListOrderShipmentsInput,
    ) -> Result<ListOrderShipmentsOutput, Fault> {
        let config: Config = config::get()?;
        let sites = Sites::read(&config)?;
        let mut shipments = Vec::new();
        for generation in Generations::read(&input.order.id, &config)?.all {
            let whole = Whole::read(generation)?;
            let ship_to = customer::consignee(&whole.order, &config)?;
            let asked = whole.shipments.iter().filter(|found| !is_promise(found));
            shipments.extend(asked.map(|found| shipment(found, &whole, &sites, &ship_to, &config)));
        }
        Ok(ListOrderShipmentsOutput { shipments })
    }
}
