//! Capturing, in one part or several, and giving back.

use crossdock_sdk::canonical::common::CancelReason;
use crossdock_sdk::canonical::payments::Payment;
use crossdock_sdk::form::Form;
use crossdock_sdk::{Call, Fault, Handle, Money, Refusal, config};

use crate::authorisation::{find, refusal};
use crate::client::{self, intent_path, post};
use crate::currency::{from_stripe, to_stripe};
use crate::exports::crossdock::payment::capturing::{
    CaptureInput, CaptureOutcome, CaptureOutput, Guest, RefundInput, RefundOutcome, RefundOutput,
};
use crate::exports::crossdock::payment::capturing_probe::{
    self as probe, CaptureState, RefundState,
};
use crate::map::{self, CREDIT_NOTE_ID, Capture, ORDER_ID, PAYMENT_ID, REFERENCE, REFUND_ID};
use crate::objects::{PaymentIntent, Refund};
use crate::{Config, Connector};

impl Guest for Connector {
    fn capture(call: Call, input: CaptureInput) -> Result<CaptureOutput, Fault> {
        let config: Config = config::get()?;
        let minor = to_stripe(&input.amount)?;
        let Some(intent) = find(&input.payment)? else {
            return Ok(nothing(CaptureOutcome::Unknown, &input.amount, None));
        };
        let capture = of_call(&call, &input, minor);
        if let Some(done) = captured(&intent, &capture, &config) {
            return Ok(done);
        }
        if let Some(outcome) = refused_as_it_is(&intent, minor) {
            let payment = map::payment(&intent, &config.company, None);
            return Ok(nothing(outcome, &input.amount, Some(payment)));
        }
        let mut form = Form::new()
            .add("amount_to_capture", minor.to_string())
            .add(format!("metadata[{}]", capture.name), capture.value())
            .add(
                format!("metadata[{REFERENCE}]"),
                input.invoice.as_ref().unwrap_or(&input.payment.id),
            )
            .add("expand[]", "latest_charge");
        if !input.last && map::payment(&intent, "", None).several_captures {
            form = form.add("final_capture", "false");
        }
        let error = match post::<PaymentIntent>(&intent_path(&intent.id, "capture"), &call, &form)?
        {
            Ok(intent) => return Ok(done(&intent, minor, &config)),
            Err(error) => error,
        };
        // The state may have changed between the two requests.
        let now = client::payment_intent(&intent.id)?;
        let outcome = match error.code.as_deref() {
            _ if error.is_decline() => CaptureOutcome::Declined(refusal(&error)),
            Some("charge_expired_for_capture") => CaptureOutcome::Declined(refusal(&error)),
            Some("amount_too_large") => CaptureOutcome::TooMuch,
            _ => match refused_as_it_is(&now, minor) {
                Some(outcome) => outcome,
                None => return Err(client::refused(&error)),
            },
        };
        let payment = map::payment(&now, &config.company, None);
        Ok(nothing(outcome, &input.amount, Some(payment)))
    }

    fn refund(call: Call, input: RefundInput) -> Result<RefundOutput, Fault> {
        let config: Config = config::get()?;
        let minor = to_stripe(&input.amount)?;
        let Some(intent) = find(&input.payment)? else {
            return Ok(RefundOutput {
                outcome: RefundOutcome::Unknown,
                refund: None,
                payment: None,
            });
        };
        let payment = map::payment(&intent, &config.company, None);
        let id = refund_id(&call, &input);
        if let Some(refund) = find_refund(&intent, id)? {
            return Ok(given_back(&refund, &payment, &config));
        }
        let too_much = |payment| RefundOutput {
            outcome: RefundOutcome::TooMuch,
            refund: None,
            payment: Some(payment),
        };
        if minor > intent.amount_received - intent.given_back() {
            return Ok(too_much(payment));
        }
        let form = Form::new()
            .add("payment_intent", &intent.id)
            .add("amount", minor.to_string())
            .add_some("reason", input.reason.as_ref().and_then(reason))
            .add(format!("metadata[{REFUND_ID}]"), id)
            .add(format!("metadata[{REFERENCE}]"), id)
            .add(format!("metadata[{PAYMENT_ID}]"), &payment.id)
            .add_some(format!("metadata[{ORDER_ID}]"), payment.order.as_ref())
            .add_some(format!("metadata[{CREDIT_NOTE_ID}]"), input.credit_note.as_ref());
        match post::<Refund>("/v1/refunds", &call, &form)? {
            Ok(refund) => {
                let now = intent.refunded_by(&refund);
                let payment = map::payment(&now, &config.company, None);
                Ok(given_back(&refund, &payment, &config))
            }
            Err(error) if error.code.as_deref() == Some("charge_already_refunded") => {
                Ok(too_much(payment))
            }
            Err(error) if error.is_decline() => Ok(RefundOutput {
                outcome: RefundOutcome::Declined(refusal(&error)),
                refund: None,
                payment: Some(payment),
            }),
            Err(error) => Err(client::refused(&error)),
        }
    }
}

impl probe::Guest for Connector {
    fn probe_capture(call: Call, input: CaptureInput) -> Result<CaptureState, Fault> {
        let config: Config = config::get()?;
        let capture = of_call(&call, &input, to_stripe(&input.amount)?);
        let Some(intent) = find(&input.payment)? else { return Ok(CaptureState::Absent) };
        Ok(match captured(&intent, &capture, &config) {
            Some(done) => CaptureState::Applied(done),
            None if intent.status == "processing" => CaptureState::Pending,
            None => CaptureState::Absent,
        })
    }

    fn probe_refund(call: Call, input: RefundInput) -> Result<RefundState, Fault> {
        let config: Config = config::get()?;
        let Some(intent) = find(&input.payment)? else { return Ok(RefundState::Absent) };
        let payment = map::payment(&intent, &config.company, None);
        Ok(match find_refund(&intent, refund_id(&call, &input))? {
            Some(refund) => RefundState::Applied(given_back(&refund, &payment, &config)),
            None => RefundState::Absent,
        })
    }
}

fn of_call(call: &Call, input: &CaptureInput, minor: i64) -> Capture {
    Capture::new(input.invoice.as_deref(), &call.key, minor, &call.started_at)
}

/// Whether this capture is there already: by its entry in the metadata, or because the channel or
/// the kind of payment took all of the money at once and nothing is left to capture.
fn captured(intent: &PaymentIntent, capture: &Capture, config: &Config) -> Option<CaptureOutput> {
    let captures = map::captures(&intent.metadata);
    if let Some(known) = captures.iter().find(|known| known.name == capture.name) {
        return Some(done(intent, known.minor, config));
    }
    let at_once = intent.status == "succeeded" && captures.is_empty();
    (at_once && capture.minor <= intent.amount_received)
        .then(|| done(intent, capture.minor, config))
}

/// Why this state of a payment allows no capture of so much; none when it does.
fn refused_as_it_is(intent: &PaymentIntent, minor: i64) -> Option<CaptureOutcome> {
    let declined = |code: &str, message: &str| {
        let (code, message) = (code.to_owned(), message.to_owned());
        Some(CaptureOutcome::Declined(Refusal { code, message, lines: Vec::new() }))
    };
    match intent.status.as_str() {
        "requires_capture" if minor <= intent.amount_capturable => None,
        "requires_capture" | "succeeded" => Some(CaptureOutcome::TooMuch),
        "canceled" if map::expired(intent) => {
            declined("authorisation-expired", "the authorisation ran out")
        }
        "canceled" => declined("canceled", "the payment was given up"),
        other => declined("not-authorised", &format!("the payment is not authorised: {other}")),
    }
}

fn done(intent: &PaymentIntent, minor: i64, config: &Config) -> CaptureOutput {
    let outcome = match intent.status.as_str() {
        "processing" => CaptureOutcome::Pending(Handle {
            id: intent.id.clone(),
            after_ms: None,
            note: Some("the bank is at it".into()),
        }),
        _ => CaptureOutcome::Captured,
    };
    CaptureOutput {
        outcome,
        payment: Some(map::payment(intent, &config.company, None)),
        amount: from_stripe(minor, &intent.currency),
    }
}

fn nothing(outcome: CaptureOutcome, asked: &Money, payment: Option<Payment>) -> CaptureOutput {
    CaptureOutput {
        outcome,
        payment,
        amount: Money { amount: "0".into(), currency: asked.currency.clone() },
    }
}

fn refund_id<'a>(call: &'a Call, input: &'a RefundInput) -> &'a str {
    input.id.as_deref().unwrap_or(&call.key)
}

fn find_refund(intent: &PaymentIntent, id: &str) -> Result<Option<Refund>, Fault> {
    // What was never captured was never given back, and may have no charge to ask by.
    if intent.amount_received == 0 {
        return Ok(None);
    }
    let ours = |refund: &Refund| refund.metadata.get(REFUND_ID).is_some_and(|known| known == id);
    let query = [("payment_intent", intent.id.as_str())];
    client::find("/v1/refunds", &query, |refund: &Refund| &refund.id, ours)
}

fn given_back(refund: &Refund, payment: &Payment, config: &Config) -> RefundOutput {
    let outcome = match refund.status.as_deref() {
        _ if refund.is_refused() => RefundOutcome::Declined(Refusal {
            code: "refund-failed".into(),
            message: "the bank did not take the refund".into(),
            lines: Vec::new(),
        }),
        Some("requires_action") => RefundOutcome::Pending(Handle {
            id: refund.id.clone(),
            after_ms: None,
            note: Some("the customer must do something".into()),
        }),
        _ => RefundOutcome::Refunded,
    };
    let refund = match outcome {
        RefundOutcome::Declined(_) => None,
        _ => Some(map::refund(refund, &config.company, payment)),
    };
    RefundOutput { outcome, refund, payment: Some(payment.clone()) }
}

/// Stripe knows three reasons.
fn reason(reason: &CancelReason) -> Option<&'static str> {
    match reason {
        CancelReason::CustomerRequest | CancelReason::Returned => Some("requested_by_customer"),
        CancelReason::Mistake => Some("duplicate"),
        _ => None,
    }
}
