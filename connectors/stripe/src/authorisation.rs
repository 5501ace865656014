//! Authorising, and giving up what was authorised: payment intents with manual capture.

use crossdock_sdk::canonical::common::{CancelReason, PaymentMethod};
use crossdock_sdk::canonical::payments::NextAction;
use crossdock_sdk::form::Form;
use crossdock_sdk::{Call, Fault, Handle, Identity, Refusal, config, time};

use crate::client::{self, Answer, intent_path, post};
use crate::currency::to_stripe;
use crate::exports::crossdock::payment::authorisation::{
    AuthoriseInput, AuthoriseOutcome, AuthoriseOutput, Guest, VoidAuthorisationInput,
    VoidAuthorisationOutcome, VoidAuthorisationOutput,
};
use crate::exports::crossdock::payment::authorisation_probe::{self as probe, AuthoriseState};
use crate::map::{self, ORDER_ID, PAYMENT_ID, REFERENCE, SYSTEM};
use crate::objects::{ApiError, PaymentIntent};
use crate::{Config, Connector};

/// How far our clock and Stripe's may differ.
const SKEW_S: i64 = 300;

impl Guest for Connector {
    fn authorise(call: Call, input: AuthoriseInput) -> Result<AuthoriseOutput, Fault> {
        let config: Config = config::get()?;
        let answer: Answer<PaymentIntent> = post("/v1/payment_intents", &call, &form(&input)?);
        let error = match answer? {
            Ok(intent) => return Ok(output(&intent, &config.company)),
            Err(error) => error,
        };
        // The card was refused; Stripe keeps the intent and sends it along, or names its charge.
        match declined(&error)? {
            Some(intent) => Ok(AuthoriseOutput {
                outcome: AuthoriseOutcome::Declined(refusal(&error)),
                payment: map::payment(&intent, &config.company, None),
            }),
            None => Err(client::refused(&error)),
        }
    }

    fn void_authorisation(
        call: Call,
        input: VoidAuthorisationInput,
    ) -> Result<VoidAuthorisationOutput, Fault> {
        let config: Config = config::get()?;
        let answer = |outcome, intent: Option<&PaymentIntent>| {
            let payment = intent.map(|intent| map::payment(intent, &config.company, None));
            Ok(VoidAuthorisationOutput { outcome, payment })
        };
        let Some(intent) = find(&input.payment)? else {
            return answer(VoidAuthorisationOutcome::Unknown, None);
        };
        match intent.status.as_str() {
            "canceled" => return answer(VoidAuthorisationOutcome::Voided, Some(&intent)),
            "succeeded" => return answer(VoidAuthorisationOutcome::TooLate, Some(&intent)),
            _ => {}
        }
        let form = Form::new()
            .add_some("cancellation_reason", input.reason.as_ref().map(cancellation_reason))
            .add("expand[]", "latest_charge");
        match post::<PaymentIntent>(&intent_path(&intent.id, "cancel"), &call, &form)? {
            Ok(intent) => answer(VoidAuthorisationOutcome::Voided, Some(&intent)),
            // Captured or given up in the meantime, or the bank is at it.
            Err(error) => {
                let intent = client::payment_intent(&intent.id)?;
                match (intent.status.as_str(), error.code.as_deref()) {
                    ("canceled", _) => answer(VoidAuthorisationOutcome::Voided, Some(&intent)),
                    ("succeeded", _) | (_, Some("payment_intent_unexpected_state")) => {
                        answer(VoidAuthorisationOutcome::TooLate, Some(&intent))
                    }
                    _ => Err(client::refused(&error)),
                }
            }
        }
    }
}

impl probe::Guest for Connector {
    /// By the list of intents created since, which shows a new one at once; the search does not.
    fn probe_authorise(call: Call, input: AuthoriseInput) -> Result<AuthoriseState, Fault> {
        let config: Config = config::get()?;
        let since = time::parse(&call.started_at).unwrap_or_default() - SKEW_S;
        let since = since.to_string();
        let mut query = vec![("created[gte]", since.as_str()), ("expand[]", "data.latest_charge")];
        if let Some(customer) = &input.token.payer {
            query.push(("customer", customer));
        }
        Ok(match first(&query, &input.id)? {
            Some(intent) => AuthoriseState::Applied(output(&intent, &config.company)),
            None => AuthoriseState::Absent,
        })
    }
}

/// The intent behind a refusal by the bank; none when it is another refusal.
fn declined(error: &ApiError) -> Result<Option<PaymentIntent>, Fault> {
    if !error.is_decline() {
        return Ok(None);
    }
    if let Some(intent) = &error.payment_intent {
        return Ok(Some((**intent).clone()));
    }
    let Some(charge) = &error.charge else { return Ok(None) };
    match client::charge(charge)?.payment_intent {
        Some(intent) => client::payment_intent(intent.id()).map(Some),
        None => Ok(None),
    }
}

fn form(input: &AuthoriseInput) -> Result<Form, Fault> {
    let debit = match input.amount.currency.as_str() {
        "EUR" => "sepa_debit",
        "GBP" => "bacs_debit",
        _ => "us_bank_account",
    };
    // Debits are taken at once: no bank keeps an amount of an account for us.
    let (kind, capture) = match input.token.method {
        PaymentMethod::DirectDebit => (debit, "automatic"),
        _ => ("card", "manual"),
    };
    let mut form = Form::new()
        .add("amount", to_stripe(&input.amount)?.to_string())
        .add("currency", input.amount.currency.to_lowercase())
        .add("capture_method", capture)
        .add("payment_method_types[]", kind)
        .add("payment_method", &input.token.value)
        .add_some("customer", input.token.payer.as_ref())
        .add("confirm", "true")
        .add_some("description", input.order.as_ref())
        .add(format!("metadata[{PAYMENT_ID}]"), &input.id)
        .add_some(format!("metadata[{ORDER_ID}]"), input.order.as_ref())
        .add(format!("metadata[{REFERENCE}]"), &input.id)
        .add("expand[]", "latest_charge");
    form = match &input.return_url {
        Some(url) => form.add("return_url", url),
        None => form.add("off_session", "true"),
    };
    if input.several_captures && kind == "card" {
        form = form.add("payment_method_options[card][request_multicapture]", "if_available");
    }
    Ok(form)
}

fn output(intent: &PaymentIntent, company: &str) -> AuthoriseOutput {
    let outcome = match intent.status.as_str() {
        "requires_capture" | "succeeded" => AuthoriseOutcome::Authorised,
        "requires_action" => AuthoriseOutcome::RequiresAction(next_action(intent)),
        "processing" | "requires_confirmation" => AuthoriseOutcome::Pending(Handle {
            id: intent.id.clone(),
            after_ms: None,
            note: Some("the bank is at it".into()),
        }),
        "canceled" => AuthoriseOutcome::Declined(Refusal {
            code: "canceled".into(),
            message: "the payment was given up".into(),
            lines: Vec::new(),
        }),
        _ => AuthoriseOutcome::Declined(refusal(
            &intent.last_payment_error.clone().unwrap_or_default(),
        )),
    };
    AuthoriseOutput { outcome, payment: map::payment(intent, company, None) }
}

fn next_action(intent: &PaymentIntent) -> NextAction {
    let action = intent.next_action.as_ref();
    NextAction {
        kind: action.map_or_else(|| "unknown".into(), |action| action.kind.clone()),
        url: action.and_then(|action| action.redirect_to_url.as_ref()?.url.clone()),
    }
}

/// A refusal by the bank, by the reason that Stripe gives.
pub fn refusal(error: &ApiError) -> Refusal {
    let code = error.decline_code.as_deref().or(error.code.as_deref()).unwrap_or("declined");
    Refusal {
        code: code.replace('_', "-"),
        message: error.message.clone().unwrap_or_else(|| "the card was declined".into()),
        lines: Vec::new(),
    }
}

/// The intent of a payment: by its number at Stripe, else by the canonical id in its metadata, which
/// takes a look through the list: Stripe's search is up to an hour behind, and what it does not show
/// may be there.
pub fn find(payment: &Identity) -> Result<Option<PaymentIntent>, Fault> {
    match payment.id_in(SYSTEM, "payment") {
        Some(id) => client::payment_intent_if_there(id),
        None => first(&[("expand[]", "data.latest_charge")], &payment.id).map_err(|fault| Fault {
            message: format!(
                "payment {} without Stripe's number in `references`: {}",
                payment.id, fault.message
            ),
            ..fault
        }),
    }
}

fn first(query: &[(&str, &str)], payment: &str) -> Result<Option<PaymentIntent>, Fault> {
    let ours = |intent: &PaymentIntent| {
        intent.metadata.get(PAYMENT_ID).is_some_and(|known| known == payment)
    };
    client::find("/v1/payment_intents", query, |intent: &PaymentIntent| &intent.id, ours)
}

fn cancellation_reason(reason: &CancelReason) -> &'static str {
    match reason {
        CancelReason::CustomerRequest => "requested_by_customer",
        CancelReason::Mistake => "duplicate",
        _ => "abandoned",
    }
}
