//! Shipments asked for, released, held and called off. Release and hold are of the whole sales order
//! in InvenTree; there is one sales order for an order.

use crossdock_sdk::canonical::orders::{DeliveryPolicy, Order};
use crossdock_sdk::canonical::shipments::{Shipment, ShipmentLine, ShipmentStatus};
use crossdock_sdk::{Call, Decimal, Fault, Refusal, config, decimal};
use serde_json::{Value, json};

use crate::client::{delete, expect, list, patch, post};
use crate::exports::crossdock::wms::fulfilment::{
    CancelShipmentInput, CancelShipmentOutcome, CancelShipmentOutput, Guest, HoldShipmentInput,
    HoldShipmentOutcome, HoldShipmentOutput, ReleaseShipmentInput, ReleaseShipmentOutcome,
    ReleaseShipmentOutput, RequestShipmentInput, RequestShipmentOutcome, RequestShipmentOutput,
};
use crate::exports::crossdock::wms::fulfilment_probe::{self as probe, RequestShipmentState};
use crate::exports::crossdock::wms::shipment_inquiry::{
    self, GetShipmentInput, GetShipmentOutput, ListOrderShipmentsInput, ListOrderShipmentsOutput,
};
use crate::objects::{self, CANCELLED, IN_PROGRESS, ON_HOLD, PENDING};
use crate::order::{self, Whole, refusal};
use crate::promising::promise_name;
use crate::shipment::{self, find, is_promise};
use crate::{Config, Connector};

impl Guest for Connector {
    fn request_shipment(
        call: Call,
        input: RequestShipmentInput,
    ) -> Result<RequestShipmentOutput, Fault> {
        let config: Config = config::get()?;
        let refused = |refusal: Refusal| {
            let outcome = RequestShipmentOutcome::Refused(refusal);
            let shipment = as_asked(&input, &config, &call);
            Ok(RequestShipmentOutput { outcome, shipment })
        };
        let items: Vec<&str> = input.order.lines.iter().map(|line| line.item.as_str()).collect();
        let parts = order::parts(&items)?;
        let asked = || input.lines.iter();
        let unknown = asked().filter(|line| !parts.contains_key(&line.item));
        let unknown: Vec<String> = unknown.map(|line| line.order_line.clone()).collect();
        if !unknown.is_empty() {
            let message = "InvenTree knows no such item".to_owned();
            return refused(Refusal { code: "item-unknown".into(), message, lines: unknown });
        }
        let mut whole = match order::ensure(&input.order, &config, &parts)? {
            Ok(whole) => whole,
            Err(refusal) => return refused(refusal),
        };
        let known = whole.shipments.iter().any(|shipment| shipment.reference == input.id);
        if !known && let Err(refusal) = claim(&mut whole, &input, &config)? {
            return refused(refusal);
        }
        if matches!(input.order.delivery_policy, DeliveryPolicy::CancelRest) {
            give_up_rest(&whole)?;
        }
        let whole = Whole::read(whole.order)?;
        match taken_in(&whole, &input.id, &config)? {
            Some(shipment) => {
                Ok(RequestShipmentOutput { outcome: RequestShipmentOutcome::Accepted, shipment })
            }
            None => refused(refusal("not-taken-in", "InvenTree did not keep the shipment")),
        }
    }

    fn release_shipment(
        _call: Call,
        input: ReleaseShipmentInput,
    ) -> Result<ReleaseShipmentOutput, Fault> {
        let config: Config = config::get()?;
        let Some((found, mut whole)) = find(&input.shipment)? else {
            let outcome = ReleaseShipmentOutcome::Unknown;
            return Ok(ReleaseShipmentOutput { outcome, shipment: None });
        };
        let mut outcome = ReleaseShipmentOutcome::Released;
        match whole.order.status {
            CANCELLED => outcome = ReleaseShipmentOutcome::Cancelled,
            PENDING | ON_HOLD => match act(&mut whole, "issue")? {
                Ok(()) => {}
                Err(refusal) => outcome = ReleaseShipmentOutcome::Refused(refusal),
            },
            _ => {}
        }
        let shipment = Some(described(&found, &whole, &config)?);
        Ok(ReleaseShipmentOutput { outcome, shipment })
    }

    fn hold_shipment(_call: Call, input: HoldShipmentInput) -> Result<HoldShipmentOutput, Fault> {
        let config: Config = config::get()?;
        let Some((found, mut whole)) = find(&input.shipment)? else {
            return Ok(HoldShipmentOutput { outcome: HoldShipmentOutcome::Unknown, shipment: None });
        };
        let held = match (found.shipment_date.is_some(), whole.order.status) {
            (true, _) => false,
            (false, PENDING | ON_HOLD) => true,
            (false, IN_PROGRESS) => act(&mut whole, "hold")?.is_ok(),
            _ => false,
        };
        let outcome = if held { HoldShipmentOutcome::Held } else { HoldShipmentOutcome::TooLate };
        Ok(HoldShipmentOutput { outcome, shipment: Some(described(&found, &whole, &config)?) })
    }

    fn cancel_shipment(
        _call: Call,
        input: CancelShipmentInput,
    ) -> Result<CancelShipmentOutput, Fault> {
        let config: Config = config::get()?;
        let Some((found, mut whole)) = find(&input.shipment)? else {
            let outcome = CancelShipmentOutcome::Unknown;
            return Ok(CancelShipmentOutput { outcome, shipment: None });
        };
        let others = whole.shipments.iter().filter(|other| other.pk != found.pk).count();
        let outcome = match (found.shipment_date.is_some(), whole.order.status, others) {
            (true, ..) => CancelShipmentOutcome::TooLate,
            (_, CANCELLED, _) => CancelShipmentOutcome::Cancelled,
            // The last one: the sales order goes with it.
            (_, _, 0) => match act(&mut whole, "cancel")? {
                Ok(()) => CancelShipmentOutcome::Cancelled,
                Err(_) if whole.order.status == CANCELLED => CancelShipmentOutcome::Cancelled,
                Err(_) => CancelShipmentOutcome::TooLate,
            },
            _ => {
                let mut shipment = described(&found, &whole, &config)?;
                shipment.status = ShipmentStatus::Cancelled;
                let outcome = take_out(&found, &whole)?;
                return Ok(CancelShipmentOutput { outcome, shipment: Some(shipment) });
            }
        };
        Ok(CancelShipmentOutput { outcome, shipment: Some(described(&found, &whole, &config)?) })
    }
}

impl probe::Guest for Connector {
    fn probe_request_shipment(
        _call: Call,
        input: RequestShipmentInput,
    ) -> Result<RequestShipmentState, Fault> {
        let config: Config = config::get()?;
        let Some(found) = order::find(&input.order.id)? else {
            return Ok(RequestShipmentState::Absent);
        };
        let whole = Whole::read(found)?;
        let open = |line: &objects::Line| whole.allocated(line.pk) < line.quantity;
        let rest = matches!(input.order.delivery_policy, DeliveryPolicy::CancelRest)
            && whole.lines.iter().any(open);
        Ok(match taken_in(&whole, &input.id, &config)? {
            Some(shipment) if !rest => RequestShipmentState::Applied(RequestShipmentOutput {
                outcome: RequestShipmentOutcome::Accepted,
                shipment,
            }),
            _ => RequestShipmentState::Absent,
        })
    }
}

impl shipment_inquiry::Guest for Connector {
    fn get_shipment(_call: Call, input: GetShipmentInput) -> Result<GetShipmentOutput, Fault> {
        let config: Config = config::get()?;
        Ok(match find(&input.shipment)? {
            Some((found, whole)) => GetShipmentOutput::Found(described(&found, &whole, &config)?),
            None => GetShipmentOutput::Unknown,
        })
    }

    fn list_order_shipments(
        _call: Call,
        input: ListOrderShipmentsInput,
    ) -> Result<ListOrderShipmentsOutput, Fault> {
        let config: Config = config::get()?;
        let sites = order::sites(&config)?;
        let mut shipments = Vec::new();
        for sales_order in order::all_of(&input.order.id)? {
            let whole = Whole::read(sales_order)?;
            let ship_to = order::consignee(&whole.order, &config)?;
            let asked = whole.shipments.iter().filter(|found| !is_promise(found, &sites));
            let asked = asked.map(|found| shipment::shipment(found, &whole, &sites, &ship_to, &config));
            shipments.extend(asked);
        }
        Ok(ListOrderShipmentsOutput { shipments })
    }
}

fn described(found: &objects::Shipment, whole: &Whole, config: &Config) -> Result<Shipment, Fault> {
    let ship_to = order::consignee(&whole.order, config)?;
    Ok(shipment::shipment(found, whole, &order::sites(config)?, &ship_to, config))
}

fn taken_in(whole: &Whole, id: &str, config: &Config) -> Result<Option<Shipment>, Fault> {
    let found = whole.shipments.iter().find(|shipment| shipment.reference == id);
    found.map(|found| described(found, whole, config)).transpose()
}

/// Gives the id to what was promised from the site; from all sites when none is named: then the
/// further ones get the id with a number. Without a promise the warehouse fills an empty shipment.
fn claim(
    whole: &mut Whole,
    input: &RequestShipmentInput,
    config: &Config,
) -> Result<Result<(), Refusal>, Fault> {
    let sites = order::sites(config)?;
    let wanted = sites.iter().filter(|site| input.site.as_ref().is_none_or(|name| *name == site.name));
    let mut number = 1;
    let mut rename: Vec<(i64, String)> = Vec::new();
    for site in wanted {
        let name = promise_name(&site.name);
        for held in whole.shipments.iter().filter(|shipment| shipment.reference == name) {
            // The id itself last: while it is missing, a repeated call goes on renaming.
            let id = match number {
                1 => input.id.clone(),
                more => format!("{}-{more}", input.id),
            };
            rename.insert(0, (held.pk, id));
            number += 1;
        }
    }
    if rename.is_empty() {
        let values = json!({"order": whole.order.pk, "reference": input.id});
        return Ok(post::<objects::Shipment>("/api/order/so/shipment/", &values)?.map(|_| ()));
    }
    for (pk, id) in rename {
        let path = format!("/api/order/so/shipment/{pk}/");
        if let Err(refusal) = patch::<objects::Shipment>(&path, &json!({"reference": id}))? {
            return Ok(Err(refusal));
        }
    }
    Ok(Ok(()))
}

/// Under `cancel-rest` nothing is to come later: each line shrinks to what is allocated.
fn give_up_rest(whole: &Whole) -> Result<(), Fault> {
    for line in &whole.lines {
        let allocated = whole.allocated(line.pk);
        if allocated < line.quantity {
            shrink(line, allocated)?;
        }
    }
    Ok(())
}

fn shrink(line: &objects::Line, to: Decimal) -> Result<(), Fault> {
    let path = format!("/api/order/so-line/{}/", line.pk);
    if to <= Decimal::ZERO {
        return expect(delete(&path)?);
    }
    let quantity = order::number(&decimal::text(to))?;
    expect(patch::<Value>(&path, &json!({"quantity": quantity}))?).map(|_| ())
}

/// Takes one of several shipments out of the sales order, with what it was to carry.
fn take_out(
    found: &objects::Shipment,
    whole: &Whole,
) -> Result<CancelShipmentOutcome, Fault> {
    let mut carried: Vec<(i64, Decimal)> = Vec::new();
    for allocation in whole.in_shipment(found.pk) {
        carried.push((allocation.line, allocation.quantity));
    }
    if delete(&format!("/api/order/so/shipment/{}/", found.pk))?.is_err() {
        return Ok(CancelShipmentOutcome::TooLate);
    }
    for line in &whole.lines {
        let gone: Decimal = carried.iter().filter(|(pk, _)| *pk == line.pk).map(|(_, c)| *c).sum();
        if gone > Decimal::ZERO {
            shrink(line, line.quantity - gone)?;
        }
    }
    Ok(CancelShipmentOutcome::Cancelled)
}

/// An action of the sales order; refused, the state tells how far it is.
fn act(whole: &mut Whole, action: &str) -> Result<Result<(), Refusal>, Fault> {
    let path = format!("/api/order/so/{}/{action}/", whole.order.pk);
    let answer = post::<Value>(&path, &json!({}))?;
    if let Some(now) = order::by_pk(whole.order.pk)? {
        whole.order = now;
    }
    let pk = whole.order.pk.to_string();
    whole.shipments = list("/api/order/so/shipment/", &[("order", &pk)])?;
    Ok(answer.map(|_| ()))
}

fn as_asked(input: &RequestShipmentInput, config: &Config, call: &Call) -> Shipment {
    let order: &Order = &input.order;
    let lines = input.lines.iter().map(|line| ShipmentLine {
        id: line.order_line.clone(),
        order_line: line.order_line.clone(),
        item: line.item.clone(),
        quantity: line.quantity.clone(),
        substitute_for: None,
        lots: Vec::new(),
    });
    Shipment {
        id: input.id.clone(),
        company: config.company.clone(),
        references: vec![crossdock_sdk::canonical::reference("crossdock", "order", &order.id)],
        attributes: Vec::new(),
        version: 0,
        occurred_at: call.started_at.clone(),
        order: order.id.clone(),
        status: ShipmentStatus::Cancelled,
        site: input.site.clone().unwrap_or_default(),
        ship_from: None,
        ship_to: order.ship_to.clone(),
        lines: lines.collect(),
        packages: Vec::new(),
        carrier: None,
        tracking_number: None,
        tracking_url: None,
        freight: None,
        ship_on: input.ship_on.clone(),
        shipped_at: None,
        delivered_at: None,
        documents: Vec::new(),
    }
}
