//! What Stripe tells by itself: webhooks, and the same events read back as feeds. An item has the
//! event's own id, however it came.

use crossdock_sdk::canonical::payments::{PaymentEvent, PaymentEventKind};
use crossdock_sdk::canonical::reference;
use crossdock_sdk::serde_json::{self, Value};
use crossdock_sdk::{Call, Fault, PollRequest, WebhookRequest, config, time};
use serde::de::DeserializeOwned;

use crate::authorisation::refusal;
use crate::client::{self, get, get_if_there};
use crate::exports::crossdock::payment::{
    dispute_feed, payment_feed, payment_webhook, settlement_feed, settlement_webhook,
};
use crate::map::{self, SYSTEM};
use crate::objects::{Charge, Dispute, Event, Expandable, List, PaymentIntent, Payout};
use crate::settlement;
use crate::{Config, Connector};

/// At the first poll Stripe's whole month of events is read, but never more pages than this.
const FIRST_PAGES_MAX: u32 = 100;
const PAGE_MAX: u32 = 100;

/// `types[]` takes names only, no wildcards, and twenty at most.
const PAYMENT_EVENTS: [&str; 6] = [
    "payment_intent.amount_capturable_updated",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "payment_intent.processing",
    "payment_intent.requires_action",
];
const DISPUTE_EVENTS: [&str; 3] =
    ["charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"];

impl settlement_webhook::Guest for Connector {
    fn receive_settlements(
        _call: Call,
        input: WebhookRequest,
    ) -> Result<settlement_webhook::ReceiveSettlementsOutput, Fault> {
        let config: Config = config::get()?;
        let event = read_event(&input)?;
        let mut items = Vec::new();
        if event.kind == "payout.paid" {
            let payout: Payout = object(&event)?;
            items.push(settlement_webhook::ReceivedSettlement {
                id: format!("{}:{}", payout.id, payout.status),
                value: settlement::of_payout(&payout, &config.company)?,
            });
        }
        Ok(settlement_webhook::ReceiveSettlementsOutput { items })
    }
}

impl payment_webhook::Guest for Connector {
    fn receive_payment_events(
        _call: Call,
        input: WebhookRequest,
    ) -> Result<payment_webhook::ReceivePaymentEventsOutput, Fault> {
        let config: Config = config::get()?;
        let event = read_event(&input)?;
        let items = payment_event(&event, &config)?
            .map(|value| payment_webhook::ReceivedPaymentEvent { id: event.id.clone(), value });
        Ok(payment_webhook::ReceivePaymentEventsOutput { items: items.into_iter().collect() })
    }
}

impl payment_feed::Guest for Connector {
    fn list_changed_payments(
        _call: Call,
        input: PollRequest,
    ) -> Result<payment_feed::ListChangedPaymentsOutput, Fault> {
        let config: Config = config::get()?;
        let page = since(&input, &PAYMENT_EVENTS)?;
        let mut items = Vec::new();
        for event in &page.events {
            let intent: PaymentIntent = object(event)?;
            let value = map::payment(&intent, &config.company, Some(event.created));
            items.push(payment_feed::ChangedPayment { id: event.id.clone(), value });
        }
        let (next_cursor, more) = (page.cursor, page.more);
        Ok(payment_feed::ListChangedPaymentsOutput { items, next_cursor, more })
    }
}

impl dispute_feed::Guest for Connector {
    fn list_changed_disputes(
        _call: Call,
        input: PollRequest,
    ) -> Result<dispute_feed::ListChangedDisputesOutput, Fault> {
        let config: Config = config::get()?;
        let page = since(&input, &DISPUTE_EVENTS)?;
        let mut items = Vec::new();
        for event in &page.events {
            let dispute: Dispute = object(event)?;
            let intent = intent_of(dispute.payment_intent.as_ref())?;
            let value = map::dispute(&dispute, &config.company, intent.as_ref());
            items.push(dispute_feed::ChangedDispute { id: event.id.clone(), value });
        }
        let (next_cursor, more) = (page.cursor, page.more);
        Ok(dispute_feed::ListChangedDisputesOutput { items, next_cursor, more })
    }
}

impl settlement_feed::Guest for Connector {
    fn list_changed_settlements(
        _call: Call,
        input: PollRequest,
    ) -> Result<settlement_feed::ListChangedSettlementsOutput, Fault> {
        let config: Config = config::get()?;
        let page = since(&input, &["payout.paid", "payout.failed"])?;
        let mut items = Vec::new();
        for event in &page.events {
            let payout: Payout = object(event)?;
            let value = settlement::of_payout(&payout, &config.company)?;
            let id = format!("{}:{}", payout.id, payout.status);
            items.push(settlement_feed::ChangedSettlement { id, value });
        }
        let (next_cursor, more) = (page.cursor, page.more);
        Ok(settlement_feed::ListChangedSettlementsOutput { items, next_cursor, more })
    }
}

fn read_event(request: &WebhookRequest) -> Result<Event, Fault> {
    serde_json::from_slice(&request.body)
        .map_err(|error| Fault::never("webhook-not-read", format!("not a Stripe event: {error}")))
}

fn object<T: DeserializeOwned>(event: &Event) -> Result<T, Fault> {
    serde_json::from_value(event.data.object.clone()).map_err(|error| {
        Fault::never("event-not-read", format!("event {} ({}): {error}", event.id, event.kind))
    })
}

fn payment_event(event: &Event, config: &Config) -> Result<Option<PaymentEvent>, Fault> {
    let kind = match event.kind.as_str() {
        "payment_intent.amount_capturable_updated" => PaymentEventKind::Authorised,
        "payment_intent.succeeded" => PaymentEventKind::Captured,
        "payment_intent.payment_failed" => PaymentEventKind::Failed,
        "payment_intent.canceled" => PaymentEventKind::Voided,
        "payment_intent.requires_action" => PaymentEventKind::RequiresAction,
        "charge.refunded" => PaymentEventKind::Refunded,
        "charge.dispute.created" => PaymentEventKind::DisputeOpened,
        "charge.dispute.updated" => PaymentEventKind::DisputeUpdated,
        "charge.dispute.closed" => PaymentEventKind::DisputeClosed,
        _ => return Ok(None),
    };
    let mut dispute = None;
    let intent = match event.kind.split('.').collect::<Vec<_>>().as_slice() {
        ["payment_intent", ..] => Some(object::<PaymentIntent>(event)?),
        ["charge", "dispute", ..] => {
            let document: Dispute = object(event)?;
            let intent = intent_of(document.payment_intent.as_ref())?;
            dispute = Some(map::dispute(&document, &config.company, intent.as_ref()));
            intent
        }
        _ => intent_of(object::<Charge>(event)?.payment_intent.as_ref())?,
    };
    // A charge counts as refunded also when it was captured for less, or given up.
    let given_back = intent.as_ref().is_none_or(|intent| intent.given_back() > 0);
    if matches!(kind, PaymentEventKind::Refunded) && !given_back {
        return Ok(None);
    }
    let failure = intent
        .as_ref()
        .filter(|_| matches!(kind, PaymentEventKind::Failed))
        .and_then(|intent| intent.last_payment_error.as_ref())
        .map(refusal);
    let mut references = vec![reference(SYSTEM, "payment-event", &event.id)];
    references.extend(intent.as_ref().map(|intent| reference(SYSTEM, "payment", &intent.id)));
    Ok(Some(PaymentEvent {
        id: event.id.clone(),
        company: config.company.clone(),
        references,
        attributes: Vec::new(),
        version: 0,
        occurred_at: time::timestamp(event.created),
        kind,
        payment: intent.map(|i| map::payment(&i, &config.company, Some(event.created))),
        dispute,
        failure,
    }))
}

fn intent_of(intent: Option<&Expandable<PaymentIntent>>) -> Result<Option<PaymentIntent>, Fault> {
    intent.map(|intent| client::payment_intent(intent.id())).transpose()
}

struct Page {
    /// Oldest first.
    events: Vec<Event>,
    cursor: Option<String>,
    more: bool,
}

/// The events after the cursor, which is an event's id. Stripe lists the newest first; with
/// `ending_before` it gives those next to the cursor.
fn since(request: &PollRequest, types: &[&str]) -> Result<Page, Fault> {
    let limit = request.limit.clamp(1, PAGE_MAX) as usize;
    let Some(cursor) = &request.cursor else { return first(types, limit) };
    let limit_text = limit.to_string();
    let mut query = vec![("limit", limit_text.as_str()), ("ending_before", cursor.as_str())];
    query.extend(types.iter().map(|kind| ("types[]", *kind)));
    match get_if_there::<List<Event>>("/v1/events", &query)? {
        Some(list) => Ok(page(list.data.into_iter().rev().collect(), list.has_more)),
        // Stripe forgets an event after thirty days: what it still has is newer than the cursor.
        None => first(types, limit),
    }
}

/// The oldest of what Stripe still has.
fn first(types: &[&str], limit: usize) -> Result<Page, Fault> {
    let mut events = oldest(types)?;
    let more = events.len() > limit;
    events.truncate(limit);
    Ok(page(events, more))
}

fn page(events: Vec<Event>, more: bool) -> Page {
    Page { cursor: events.last().map(|event| event.id.clone()), events, more }
}

/// Every event that Stripe still has, oldest first.
fn oldest(types: &[&str]) -> Result<Vec<Event>, Fault> {
    let mut all: Vec<Value> = Vec::new();
    let limit = PAGE_MAX.to_string();
    for _ in 0..FIRST_PAGES_MAX {
        let after = all.last().and_then(|last| last["id"].as_str()).map(str::to_owned);
        let mut query = vec![("limit", limit.as_str())];
        query.extend(types.iter().map(|kind| ("types[]", *kind)));
        if let Some(after) = &after {
            query.push(("starting_after", after));
        }
        let list: List<Value> = get("/v1/events", &query)?;
        let more = list.has_more && !list.data.is_empty();
        all.extend(list.data);
        if !more {
            break;
        }
    }
    all.into_iter()
        .rev()
        .map(|value| {
            serde_json::from_value(value)
                .map_err(|error| Fault::never("event-not-read", error.to_string()))
        })
        .collect()
}
