//! Shipments asked for, released, held and called off. Release and hold are of the whole sales order
//! in InvenTree; there is one sales order for an order.

use crossdock_sdk::canonical::orders::DeliveryPolicy;
use crossdock_sdk::canonical::reference;
use crossdock_sdk::canonical::shipments::{Shipment, ShipmentLine, ShipmentStatus};
use crossdock_sdk::{Call, Decimal, Fault, Refusal, config, decimal};
use serde_json::json;

use crate::calling_off::{give_up_rest, has_left, take_out};
use crate::client::{self, Answer, expect, patch, post};
use crate::exports::crossdock::wms::fulfilment::{
    CancelShipmentInput, CancelShipmentOutcome, CancelShipmentOutput, Guest, HoldShipmentInput,
    HoldShipmentOutcome, HoldShipmentOutput, ReleaseShipmentInput, ReleaseShipmentOutcome,
    ReleaseShipmentOutput, RequestShipmentInput, RequestShipmentOutcome, RequestShipmentOutput,
};
use crate::exports::crossdock::wms::fulfilment_probe::{self as probe, RequestShipmentState};
use crate::objects::{self, CANCELLED, IN_PROGRESS, ON_HOLD, PENDING};
use crate::order::{self, Known, Whole, refusal};
use crate::shipment::{described, find, is_taken_out, promise_name};
use crate::sites::Sites;
use crate::{Config, Connector};

impl Guest for Connector {
    fn request_shipment(
        call: Call,
        input: RequestShipmentInput,
    ) -> Result<RequestShipmentOutput, Fault> {
        let config: Config = config::get()?;
        let (outcome, shipment) = match request(&input, &config)? {
            Ok(shipment) => (RequestShipmentOutcome::Accepted, shipment),
            Err(refusal) => {
                (RequestShipmentOutcome::Refused(refusal), as_asked(&input, &config, &call))
            }
        };
        Ok(RequestShipmentOutput { outcome, shipment })
    }

    fn release_shipment(
        _call: Call,
        input: ReleaseShipmentInput,
    ) -> Result<ReleaseShipmentOutput, Fault> {
        let config: Config = config::get()?;
        let Some((found, mut whole)) = find(&input.shipment, &config)? else {
            let outcome = ReleaseShipmentOutcome::Unknown;
            return Ok(ReleaseShipmentOutput { outcome, shipment: None });
        };
        let answer = match whole.order.status {
            PENDING | ON_HOLD => act(&mut whole, "issue")?,
            _ => Ok(()),
        };
        let not_issued = || refusal("not-issued", "InvenTree did not issue the order");
        let outcome = match whole.order.status {
            CANCELLED => ReleaseShipmentOutcome::Cancelled,
            PENDING | ON_HOLD => {
                ReleaseShipmentOutcome::Refused(answer.err().unwrap_or_else(not_issued))
            }
            _ => ReleaseShipmentOutcome::Released,
        };
        let shipment = Some(described(&found, &whole, &config)?);
        Ok(ReleaseShipmentOutput { outcome, shipment })
    }

    fn hold_shipment(_call: Call, input: HoldShipmentInput) -> Result<HoldShipmentOutput, Fault> {
        let config: Config = config::get()?;
        let Some((found, mut whole)) = find(&input.shipment, &config)? else {
            return Ok(HoldShipmentOutput {
                outcome: HoldShipmentOutcome::Unknown,
                shipment: None,
            });
        };
        if found.shipment_date.is_none() && whole.order.status == IN_PROGRESS {
            // Refused or not, the status tells.
            let _ = act(&mut whole, "hold")?;
        }
        let outcome = match (found.shipment_date.is_none(), whole.order.status) {
            (true, PENDING | ON_HOLD | CANCELLED) => HoldShipmentOutcome::Held,
            _ => HoldShipmentOutcome::TooLate,
        };
        Ok(HoldShipmentOutput { outcome, shipment: Some(described(&found, &whole, &config)?) })
    }

    fn cancel_shipment(
        _call: Call,
        input: CancelShipmentInput,
    ) -> Result<CancelShipmentOutput, Fault> {
        let config: Config = config::get()?;
        let Some((found, mut whole)) = find(&input.shipment, &config)? else {
            let outcome = match is_taken_out(&input.shipment, &config)? {
                true => CancelShipmentOutcome::Cancelled,
                false => CancelShipmentOutcome::Unknown,
            };
            return Ok(CancelShipmentOutput { outcome, shipment: None });
        };
        let mut shipment = described(&found, &whole, &config)?;
        let alone = whole.shipments.len() == 1;
        let cancelled = match (found.shipment_date.is_some(), whole.order.status) {
            (true, _) => false,
            (false, CANCELLED) => true,
            (false, _) if alone => {
                let _ = act(&mut whole, "cancel")?;
                // InvenTree cancels an order also when its shipment has left in the meantime.
                whole.order.status == CANCELLED && !has_left(&found)?
            }
            (false, _) => take_out(&found, &whole)?,
        };
        let outcome = match cancelled {
            true => {
                shipment.status = ShipmentStatus::Cancelled;
                CancelShipmentOutcome::Cancelled
            }
            false => CancelShipmentOutcome::TooLate,
        };
        Ok(CancelShipmentOutput { outcome, shipment: Some(shipment) })
    }
}

impl probe::Guest for Connector {
    fn probe_request_shipment(
        _call: Call,
        input: RequestShipmentInput,
    ) -> Result<RequestShipmentState, Fault> {
        let config: Config = config::get()?;
        let Some(found) = order::find(&input.order.id, &config)? else {
            return Ok(RequestShipmentState::Absent);
        };
        let whole = Whole::read(found)?;
        // Asked for again, `request-shipment` goes on where it was cut.
        let asked = whole.shipments.iter().find(|shipment| shipment.reference == input.id);
        Ok(match asked {
            Some(asked) if !is_rest_open(&input, &whole) => {
                RequestShipmentState::Applied(RequestShipmentOutput {
                    outcome: RequestShipmentOutcome::Accepted,
                    shipment: described(asked, &whole, &config)?,
                })
            }
            _ => RequestShipmentState::Absent,
        })
    }
}

/// The longest `reference` of a shipment, and room for the number of a further one.
const ID_MAX: usize = 97;

fn request(input: &RequestShipmentInput, config: &Config) -> Answer<Shipment> {
    let order = &input.order;
    if input.id.chars().count() > ID_MAX {
        let message = format!("a shipment id of more than {ID_MAX} characters");
        return Ok(Err(refusal("shipment-id", &message)));
    }
    let asked = |line: &str| input.lines.iter().find(|asked| asked.order_line == line);
    let lines = || order.lines.iter().filter(|line| asked(&line.id).is_some());
    let parts = order::parts(&order.lines)?;
    let wrong = |code: &str, message: &str, lines: Vec<String>| {
        let refusal = Refusal { code: code.into(), message: message.into(), lines };
        if refusal.lines.is_empty() { Ok(()) } else { Err(refusal) }
    };
    let missing =
        input.lines.iter().filter(|asked| !lines().any(|line| line.id == asked.order_line));
    let missing = missing.map(|asked| asked.order_line.clone()).collect();
    let unknown = lines().filter(|line| !parts.contains_key(&line.item));
    let unknown = unknown.map(|line| line.id.clone()).collect();
    let units = lines().filter(|line| !order::same_unit(line, &parts));
    let units = units.map(|line| line.id.clone()).collect();
    let fine = lines().filter(|line| !order::is_countable(line)).map(|line| line.id.clone());
    let checked = wrong("line-unknown", "the order has no such line", missing)
        .and_then(|()| wrong("item-unknown", "InvenTree knows no such item", unknown))
        .and_then(|()| wrong("unit", "InvenTree counts the item in another unit", units))
        .and_then(|()| wrong("quantity", order::COUNTS, fine.collect()));
    if let Err(refusal) = checked {
        return Ok(Err(refusal));
    }
    let known = Known::read(&order.id, config)?;
    let mut whole = match order::ensure(known, order, lines(), config, &parts)? {
        Ok(whole) => whole,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !whole.shipments.iter().any(|shipment| shipment.reference == input.id) {
        // One sales order line is one order line: it cannot be sent in part on our word.
        let mut parted = Vec::new();
        for asked in &input.lines {
            let there =
                whole.line_of(&asked.order_line).map(|line| to_be_sent(line, input, &whole));
            if there != Some(decimal::parse(&asked.quantity.value)?) {
                parted.push(asked.order_line.clone());
            }
        }
        let message = "InvenTree has the line with another quantity";
        if let Err(refusal) = wrong("quantity", message, parted) {
            return Ok(Err(refusal));
        }
        if let Err(refusal) = claim(&whole, input, config)? {
            return Ok(Err(refusal));
        }
    }
    if is_rest_open(input, &whole) {
        give_up_rest(&whole)?;
    }
    if input.ship_on.is_some() && input.ship_on != whole.order.target_date {
        let path = format!("/api/order/so/{}/", whole.order.pk);
        whole.order = expect(patch(&path, &json!({"target_date": input.ship_on}))?)?;
    }
    let whole = Whole::read(whole.order)?;
    let taken_in = whole.shipments.iter().find(|shipment| shipment.reference == input.id);
    match taken_in {
        Some(found) => Ok(Ok(described(found, &whole, config)?)),
        None => Ok(Err(refusal("not-taken-in", "InvenTree did not keep the shipment"))),
    }
}

/// What of a line is sent in the end.
fn to_be_sent(line: &objects::Line, input: &RequestShipmentInput, whole: &Whole) -> Decimal {
    match is_rest_open(input, whole) {
        true => whole.allocated(line.pk),
        false => line.quantity,
    }
}

/// Whether something is left that `cancel-rest` gives up: what was promised is sent, and no more.
/// An order that was not promised is sent as it is.
fn is_rest_open(input: &RequestShipmentInput, whole: &Whole) -> bool {
    matches!(input.order.delivery_policy, DeliveryPolicy::CancelRest)
        && !whole.allocations.is_empty()
        && whole.lines.iter().any(|line| whole.allocated(line.pk) < line.quantity)
}

/// Gives the id to what was promised from the site; from all sites when none is named: then the
/// further ones get the id with a number. Without a promise the warehouse fills an empty shipment.
fn claim(whole: &Whole, input: &RequestShipmentInput, config: &Config) -> Answer<()> {
    let sites = Sites::read(config)?;
    let wanted = |name: &str| input.site.as_ref().is_none_or(|site| site == name);
    let mut held: Vec<i64> = Vec::new();
    for site in sites.all.iter().filter(|site| wanted(&site.name)) {
        let name = promise_name(&site.name);
        let of_site = whole.shipments.iter().filter(|shipment| shipment.reference == name);
        held.extend(of_site.map(|shipment| shipment.pk));
    }
    if held.is_empty() {
        let values = json!({"order": whole.order.pk, "reference": input.id});
        let created = post::<objects::Shipment>("/api/order/so/shipment/", &values)?;
        return Ok(created.map(|_| ()));
    }
    // The id itself comes last: while it is missing, a repeated call goes on renaming.
    for (place, pk) in held.iter().enumerate().rev() {
        let id = match place {
            0 => input.id.clone(),
            more => format!("{}-{}", input.id, more + 1),
        };
        let path = format!("/api/order/so/shipment/{pk}/");
        if let Err(refusal) = patch::<objects::Shipment>(&path, &json!({"reference": id}))? {
            return Ok(Err(refusal));
        }
    }
    Ok(Ok(()))
}

/// An action of the sales order, and the order as it is after it.
fn act(whole: &mut Whole, action: &str) -> Answer<()> {
    let path = format!("/api/order/so/{}/{action}/", whole.order.pk);
    let answer = client::act(&path)?;
    match order::by_pk(whole.order.pk)? {
        Some(now) => whole.order = now,
        // Deleted by somebody: nothing of it will be sent.
        None => whole.order.status = CANCELLED,
    }
    Ok(answer)
}

fn as_asked(input: &RequestShipmentInput, config: &Config, call: &Call) -> Shipment {
    let order = &input.order;
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
        references: vec![reference("crossdock", "order", &order.id)],
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
