//! Rates, booking and calling off. A shipment is found by its `reference`, our shipment's id; created
//! as a draft and then bought, so that a cut attempt is gone on with.

use crossdock_sdk::canonical::common::{Address, Consignee, Contact, Quantity};
use crossdock_sdk::canonical::reference;
use crossdock_sdk::canonical::shipments::{
    Booking, BookingStatus, CarrierService, FreightOffer, Shipment,
};
use crossdock_sdk::{Call, Decimal, Fault, Identity, Money, Refusal, config, decimal, time};
use serde_json::{Value, json};

use crate::client::{ask, get, list, path, post, said};
use crate::exports::crossdock::tms::carrier_booking::{
    BookCarrierInput, BookCarrierOutcome, BookCarrierOutput, CancelBookingInput,
    CancelBookingOutcome, CancelBookingOutput, Guest,
};
use crate::exports::crossdock::tms::carrier_booking_probe::{self as probe, BookCarrierState};
use crate::exports::crossdock::tms::freight_quoting::{
    self, QuoteFreightInput, QuoteFreightOutcome, QuoteFreightOutput,
};
use crate::objects::{self, Rate, Rates};
use crate::{Config, Connector, SYSTEM};

impl freight_quoting::Guest for Connector {
    fn quote_freight(_call: Call, input: QuoteFreightInput) -> Result<QuoteFreightOutput, Fault> {
        let config: Config = config::get()?;
        let refused = |refusal| {
            let outcome = QuoteFreightOutcome::Refused(refusal);
            Ok(QuoteFreightOutput { outcome, offers: Vec::new() })
        };
        let body = match freight(&input.shipment, None, &config)? {
            Ok(body) => body,
            Err(refusal) => return refused(refusal),
        };
        // Not `services` of Karrio: it rates all of them when it does not know one by its name.
        let answer: Rates = match ask("/v1/proxy/rates", &body, &[])? {
            Ok(answer) => answer,
            Err(answer) => return refused(answer.refusal),
        };
        let mut rates = answer.rates;
        rates.retain(|rate| {
            let asked = |service: &String| rate.service.as_ref() == Some(service);
            input.services.is_empty() || input.services.iter().any(asked)
        });
        if rates.is_empty() {
            return refused(no_rates(&answer.messages));
        }
        rates.sort_by_key(|rate| charge(rate, &config));
        let offers = rates.iter().map(offer).collect();
        Ok(QuoteFreightOutput { outcome: QuoteFreightOutcome::Quoted, offers })
    }
}

impl Guest for Connector {
    fn book_carrier(_call: Call, input: BookCarrierInput) -> Result<BookCarrierOutput, Fault> {
        let config: Config = config::get()?;
        let refused = |refusal| {
            let outcome = BookCarrierOutcome::Refused(refusal);
            Ok(BookCarrierOutput { outcome, booking: None })
        };
        let body = match label(&input, &config)? {
            Ok(body) => body,
            Err(refusal) => return refused(refusal),
        };
        let draft = match live(&input.shipment.id)? {
            Some(known) if is_bought(&known) => return Ok(booked(&known, &input.shipment)),
            Some(draft) if is_content(&draft, &body) => Some(draft),
            // Left by an attempt that was refused; an address or a weight has changed since.
            Some(stale) => {
                let cancelled = post::<Value>(&path("shipments", &stale.id, "/cancel"), &json!({}));
                if let Err(answer) = cancelled? {
                    return refused(answer.refusal);
                }
                None
            }
            None => None,
        };
        let mut draft = match draft {
            Some(draft) => draft,
            None => match post::<objects::Shipment>("/v1/shipments", &body)? {
                Ok(draft) => draft,
                Err(answer) => return refused(answer.refusal),
            },
        };
        // Rates of an earlier attempt may have run out.
        if choose(&draft, &input, &config).is_none() {
            draft = match post(&path("shipments", &draft.id, "/rates"), &json!({}))? {
                Ok(rated) => rated,
                Err(answer) => return refused(answer.refusal),
            };
        }
        let Some(rate) = choose(&draft, &input, &config) else {
            return refused(no_rates(draft.messages.as_deref().unwrap_or_default()));
        };
        let body = json!({"selected_rate_id": rate.id, "label_type": config.label_type});
        match post::<objects::Shipment>(&path("shipments", &draft.id, "/purchase"), &body)? {
            Ok(bought) => Ok(booked(&bought, &input.shipment)),
            // Bought by another attempt meanwhile.
            Err(answer) if answer.status == 409 => match live(&input.shipment.id)? {
                Some(known) if is_bought(&known) => Ok(booked(&known, &input.shipment)),
                _ => refused(answer.refusal),
            },
            Err(answer) => refused(answer.refusal),
        }
    }

    fn cancel_booking(
        _call: Call,
        input: CancelBookingInput,
    ) -> Result<CancelBookingOutput, Fault> {
        let cancelled = |outcome| Ok(CancelBookingOutput { outcome });
        let Some(known) = find(&input.shipment)? else {
            return cancelled(CancelBookingOutcome::Unknown);
        };
        match status(&known.status) {
            BookingStatus::Cancelled => return cancelled(CancelBookingOutcome::Cancelled),
            BookingStatus::InTransit | BookingStatus::Delivered => {
                return cancelled(CancelBookingOutcome::TooLate);
            }
            _ => {}
        }
        let outcome = match post::<Value>(&path("shipments", &known.id, "/cancel"), &json!({}))? {
            Ok(_) => CancelBookingOutcome::Cancelled,
            Err(answer) => {
                let now = get::<objects::Shipment>(&path("shipments", &known.id, ""))?;
                match now.map_or(BookingStatus::Cancelled, |now| status(&now.status)) {
                    BookingStatus::Cancelled => return cancelled(CancelBookingOutcome::Cancelled),
                    BookingStatus::InTransit | BookingStatus::Delivered => {
                        return cancelled(CancelBookingOutcome::TooLate);
                    }
                    // A pickup stands in the way, or the carrier refuses: nothing that asking
                    // again mends.
                    _ => {}
                }
                let message = format!("Karrio will not cancel: {}", answer.refusal.message);
                return Err(Fault::never(&answer.refusal.code, message).with_status(answer.status));
            }
        };
        cancelled(outcome)
    }
}

impl probe::Guest for Connector {
    fn probe_book_carrier(_call: Call, input: BookCarrierInput) -> Result<BookCarrierState, Fault> {
        Ok(match live(&input.shipment.id)? {
            Some(known) if is_bought(&known) => {
                BookCarrierState::Applied(booked(&known, &input.shipment))
            }
            // A draft of it is bought when it is asked for again.
            _ => BookCarrierState::Absent,
        })
    }
}

/// The shipment as it is created: with what we find it by, and what people read.
fn label(input: &BookCarrierInput, config: &Config) -> Result<Result<Value, Refusal>, Fault> {
    let freight = freight(&input.shipment, input.label_text.as_deref(), config)?;
    Ok(freight.map(|mut body| {
        let order = &input.shipment.order;
        body["metadata"] = json!({"order_id": order, CONTENT: mark(&body)});
        if order.chars().count() <= ORDER_ID_MAX {
            body["order_id"] = order.clone().into();
        }
        body["label_type"] = config.label_type.clone().into();
        body
    }))
}

/// Under this name a draft says what it was made of. Its own fields cannot: Karrio rewrites phone
/// numbers and postal codes in its own way.
const CONTENT: &str = "crossdock_content";

fn is_content(draft: &objects::Shipment, body: &Value) -> bool {
    let noted = draft.metadata.as_ref().and_then(|metadata| metadata.get(CONTENT));
    noted == body["metadata"].get(CONTENT)
}

/// FNV-1a of what is sent: short, and the same everywhere and always.
fn mark(body: &Value) -> String {
    let hash = body.to_string().bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// What Karrio's own fields take, in characters.
const ORDER_ID_MAX: usize = 50;
const NAME_MAX: usize = 100;

/// The one that counts: not called off. The search is by substring.
fn live(id: &str) -> Result<Option<objects::Shipment>, Fault> {
    Ok(all_of(id)?.into_iter().find(|known| known.status != "cancelled"))
}

fn all_of(id: &str) -> Result<Vec<objects::Shipment>, Fault> {
    let mut found: Vec<objects::Shipment> = list("/v1/shipments", &[("reference", id)])?;
    found.retain(|known| known.reference.as_deref() == Some(id));
    Ok(found)
}

/// By Karrio's number where it is known, else by our id; a called off one where there is no other.
pub fn find(shipment: &Identity) -> Result<Option<objects::Shipment>, Fault> {
    if let Some(id) = shipment.id_in(SYSTEM, "booking") {
        return get(&path("shipments", id, ""));
    }
    let found = all_of(&shipment.id)?;
    let live = found.iter().find(|known| known.status != "cancelled");
    Ok(live.or(found.first()).cloned())
}

fn is_bought(shipment: &objects::Shipment) -> bool {
    !matches!(shipment.status.as_str(), "draft" | "cancelled")
}

/// The rate of the offer, or of the carrier and service asked for; the cheapest of them.
fn choose<'a>(
    draft: &'a objects::Shipment,
    input: &BookCarrierInput,
    config: &Config,
) -> Option<&'a Rate> {
    let fits = |rate: &&Rate| {
        let offered = input.offer.as_ref().is_none_or(|wanted| *wanted == offer_id(rate));
        let carried = input.carrier.as_ref().is_none_or(|wanted| {
            wanted.carrier == rate.carrier_name
                && (wanted.service.is_none() || wanted.service == rate.service)
        });
        offered && carried
    };
    let rates = draft.rates.as_deref().unwrap_or_default().iter().filter(fits);
    rates.min_by_key(|rate| charge(rate, config))
}

/// Karrio gives a rate a new id each time it is asked; carrier and service stay.
fn offer_id(rate: &Rate) -> String {
    format!("{}/{}", rate.carrier_id, rate.service.as_deref().unwrap_or_default())
}

/// Cheapest first. 4.25 dinars are not less than 12.50 dollars: other currencies come last.
fn charge(rate: &Rate, config: &Config) -> (bool, Decimal) {
    let other = rate.currency.as_ref().is_some_and(|currency| *currency != config.currency);
    (other, decimal::from_json(&rate.total_charge).unwrap_or(Decimal::MAX))
}

fn price(rate: &Rate) -> Money {
    let currency = rate.currency.as_deref().unwrap_or("USD");
    let amount = decimal::from_json(&rate.total_charge).unwrap_or_default();
    decimal::money(decimal::round_total(amount, currency), currency)
}

fn offer(rate: &Rate) -> FreightOffer {
    FreightOffer {
        id: offer_id(rate),
        carrier: CarrierService {
            carrier: rate.carrier_name.clone(),
            service: rate.service.clone(),
        },
        price: price(rate),
        transit_days: rate.transit_days,
        deliver_on: rate.estimated_delivery.as_deref().and_then(time::date_of).map(str::to_owned),
    }
}

fn no_rates(messages: &[objects::Message]) -> Refusal {
    let (code, message) = said(messages).unwrap_or((None, "no carrier offers a rate".into()));
    Refusal { code: code.unwrap_or_else(|| "no-rates".into()), message, lines: Vec::new() }
}

fn booked(known: &objects::Shipment, asked: &Shipment) -> BookCarrierOutput {
    let rate = known.selected_rate.as_ref();
    let carrier = rate.map(|rate| rate.carrier_name.clone()).or(known.carrier_name.clone());
    let service = rate.and_then(|rate| rate.service.clone()).or(known.service.clone());
    let zero = || Money { amount: "0".into(), currency: "USD".into() };
    let booking = Booking {
        id: asked.id.clone(),
        company: asked.company.clone(),
        references: vec![
            reference(SYSTEM, "booking", &known.id),
            reference("crossdock", "shipment", &asked.id),
            reference("crossdock", "order", &asked.order),
        ],
        attributes: Vec::new(),
        version: 0,
        occurred_at: known
            .created_at
            .as_deref()
            .and_then(time::normalise)
            .unwrap_or_else(time::now),
        shipment: asked.id.clone(),
        order: asked.order.clone(),
        status: status(&known.status),
        carrier: CarrierService { carrier: carrier.unwrap_or_default(), service },
        tracking_number: known.tracking_number.clone(),
        // A path is Karrio's API, no place for a customer.
        tracking_url: known.tracking_url.clone().filter(|url| url.starts_with("http")),
        freight: rate.map_or_else(zero, price),
        label_url: known.label_url.clone(),
    };
    BookCarrierOutput { outcome: BookCarrierOutcome::Booked, booking: Some(booking) }
}

pub fn status(word: &str) -> BookingStatus {
    match word {
        "created" | "purchased" | "pending" => BookingStatus::Booked,
        "shipped" | "picked_up" | "in_transit" | "out_for_delivery" | "needs_attention"
        | "on_hold" | "delivery_delayed" | "delivery_failed" | "ready_for_pickup"
        | "return_to_sender" => BookingStatus::InTransit,
        "delivered" => BookingStatus::Delivered,
        "cancelled" => BookingStatus::Cancelled,
        other => BookingStatus::Other(other.to_owned()),
    }
}

/// Sender, receiver and parcels, as rates and shipments want them.
fn freight(
    shipment: &Shipment,
    label: Option<&str>,
    config: &Config,
) -> Result<Result<Value, Refusal>, Fault> {
    let known = config.sites.get(&shipment.site).or(config.ship_from.as_ref());
    let Some(from) = shipment.ship_from.clone().or(known.map(crate::WrittenAddress::address))
    else {
        let message =
            format!("no address of the site `{}` in the connector's config", shipment.site);
        return Ok(Err(Refusal { code: "no-sender".into(), message, lines: Vec::new() }));
    };
    let sender = known.and_then(|site| site.name.clone()).or(config.sender.clone());
    let contact = known.map(crate::WrittenAddress::contact);
    let mut parcels = Vec::new();
    for package in &shipment.packages {
        let mut parcel = json!({});
        weigh(&mut parcel, package.weight.as_ref(), config)?;
        if let Some(size) = &package.dimensions {
            for (name, side) in
                [("length", &size.length), ("width", &size.width), ("height", &size.height)]
            {
                parcel[name] = number(decimal::parse(side)? * length_factor(&size.unit))?;
            }
            parcel["dimension_unit"] = if size.unit == "INH" { "IN" } else { "CM" }.into();
        }
        parcels.push(parcel);
    }
    if parcels.is_empty() {
        let mut parcel = json!({});
        weigh(&mut parcel, None, config)?;
        parcels.push(parcel);
    }
    let shown = shown(shipment, label);
    let several = parcels.len() > 1;
    for (at, parcel) in parcels.iter_mut().enumerate() {
        let number = if several { format!("{shown}-{}", at + 1) } else { shown.clone() };
        parcel["reference_number"] = number.into();
    }
    Ok(Ok(json!({
        "shipper": address(&from, sender.as_deref(), contact.as_ref()),
        "recipient": consignee(&shipment.ship_to),
        "parcels": parcels,
        "reference": shipment.id,
    })))
}

/// What a label shows of ours. Karrio's own carriers take it for the tracking number, so it is no
/// other shipment's, and can stand in a path.
fn shown(shipment: &Shipment, label: Option<&str>) -> String {
    let text = match label {
        Some(label) if !shipment.id.contains(label) => format!("{label}-{}", shipment.id),
        _ => shipment.id.clone(),
    };
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    text.chars().map(plain).collect()
}

fn weigh(parcel: &mut Value, weight: Option<&Quantity>, config: &Config) -> Result<(), Fault> {
    let weighed = match weight {
        Some(weight) => Some((decimal::parse(&weight.value)?, weight.unit.as_str())),
        None => None,
    };
    // Nothing weighs nothing: nobody weighed it.
    let (value, unit) = match weighed {
        Some((value, unit)) if !value.is_zero() => (value, unit),
        _ => (decimal::parse(&config.default_weight_kg)?, "KGM"),
    };
    let (value, unit) = match unit {
        "LBR" => (value, "LB"),
        "ONZ" => (value, "OZ"),
        "GRM" => (value / Decimal::from(1000), "KG"),
        _ => (value, "KG"),
    };
    parcel["weight"] = number(value)?;
    parcel["weight_unit"] = unit.into();
    Ok(())
}

/// To centimetres; inches stay.
fn length_factor(unit: &str) -> Decimal {
    match unit {
        "MTR" => Decimal::from(100),
        "MMT" => Decimal::new(1, 1),
        _ => Decimal::ONE,
    }
}

fn number(value: Decimal) -> Result<Value, Fault> {
    serde_json::from_str(&decimal::text(value)).map_err(|error| Fault::input(error.to_string()))
}

fn consignee(consignee: &Consignee) -> objects::Address {
    address(&consignee.address, Some(&consignee.name), consignee.contact.as_ref())
}

pub fn address(
    address: &Address,
    name: Option<&str>,
    contact: Option<&Contact>,
) -> objects::Address {
    let below = address.lines.get(1..).unwrap_or_default().join(", ");
    // A label without the end of a name arrives; lines too long for Karrio are refused by it.
    let short = |name: &str| name.chars().take(NAME_MAX).collect::<String>();
    objects::Address {
        id: None,
        person_name: contact.and_then(|contact| contact.name.as_deref()).map(short),
        company_name: name.filter(|name| !name.is_empty()).map(short),
        address_line1: address.lines.first().cloned(),
        address_line2: Some(below).filter(|text| !text.is_empty()),
        city: Some(address.city.clone()),
        state_code: address.region.clone(),
        postal_code: address.postal_code.clone(),
        country_code: address.country.clone(),
        email: contact.and_then(|contact| contact.email.clone()),
        phone_number: contact.and_then(|contact| contact.phone.clone()),
        residential: address.residential,
        validation: None,
    }
}
