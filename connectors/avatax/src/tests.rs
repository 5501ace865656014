//! Whole operations against documents as the REST v2 reference shows them.

use crossdock_sdk::canonical::common::Address;
use crossdock_sdk::canonical::quantity;
use crossdock_sdk::canonical::tax::{RoundingLevel, TaxStatus, TaxableDocument, TaxableLine};
use crossdock_sdk::http::replay;
use crossdock_sdk::{Call, Decimal, Identity, Money, Retry, config};
use serde_json::{Value, json};

use crate::Connector;
use crate::exports::crossdock::core::connector::Guest as _;
use crate::exports::crossdock::tax::tax_quoting::{Guest as _, QuoteTaxInput, QuoteTaxOutput};
use crate::exports::crossdock::tax::tax_recording::{
    CommitTaxInput, CommitTaxOutcome, Guest as _, RecordTaxInput, RecordTaxOutcome, ReturnTaxInput,
};
use crate::exports::crossdock::tax::tax_recording_probe::{Guest as _, RecordTaxState};

const CREATE: &str = "POST http://avatax/api/v2/transactions/create?%24include=Lines%2CDetails";
const GET: &str = "GET http://avatax/api/v2/companies/CROSSDOCK/transactions/INV-1?%24include=Lines%2CDetails%2CAddresses";

fn call() -> Call {
    config::set(json!({"companies": {"ACME": "CROSSDOCK"}}));
    Call {
        exchange: "0X".into(),
        key: "0X/tax/0".into(),
        attempt: 1,
        started_at: "2026-04-02T10:00:00Z".into(),
        deadline: "2026-04-02T10:01:00Z".into(),
        traceparent: String::new(),
    }
}

pub fn document(id: &str) -> TaxableDocument {
    let ship_to = Address {
        lines: vec!["1 Pier".into()],
        city: "New York".into(),
        region: Some("NY".into()),
        postal_code: Some("10004".into()),
        country: "US".into(),
        time_zone: None,
        residential: None,
        validation: None,
    };
    TaxableDocument {
        id: id.into(),
        company: "ACME".into(),
        references: vec![crossdock_sdk::canonical::reference("crossdock", "order", "O-17")],
        customer: "C-1001".into(),
        exemption: None,
        customer_tax_id: None,
        issued_on: "2026-04-02".into(),
        tax_on: None,
        original: None,
        currency: "USD".into(),
        rounding: RoundingLevel::ByService,
        lines: vec![TaxableLine {
            id: "1".into(),
            item: Some("DRILL-18V".into()),
            description: None,
            tax_code: Some("P0000000".into()),
            quantity: Some(quantity(Decimal::from(3), "C62")),
            amount: Money { amount: "447.10".into(), currency: "USD".into() },
            ship_from: None,
            ship_to,
        }],
    }
}

fn transaction(status: &str, kind: &str) -> Value {
    json!({
        "id": 42, "code": "INV-1", "companyId": 1, "date": "2026-04-02", "status": status, "type": kind,
        "currencyCode": "USD", "totalAmount": 447.10, "totalTax": 39.68, "version": 1, "locked": false,
        "modifiedDate": "2026-04-02T10:00:01.123Z",
        "lines": [{"id": 1, "lineNumber": "1", "details": [
            {"country": "US", "region": "NY", "jurisType": "STA", "jurisCode": "36", "jurisName": "NEW YORK",
             "taxName": "NY STATE TAX", "rate": 0.04, "taxableAmount": 447.10, "tax": 17.88, "exemptAmount": 0},
            {"jurisType": "STJ", "jurisCode": "359071", "taxName": "NY SPECIAL TAX", "rate": 0.00375,
             "taxableAmount": 447.10, "tax": 1.68, "exemptAmount": 0},
            {"jurisType": "CTY", "jurisCode": "061", "taxName": "none", "rate": 0, "taxableAmount": 0, "tax": 0}]}],
    })
}

#[test]
fn a_quote_is_never_kept() {
    let call = call();
    replay::answer(CREATE, 201, transaction("Temporary", "SalesOrder"));
    let output = Connector::quote_tax(call, QuoteTaxInput { document: document("O-17") }).unwrap();
    let QuoteTaxOutput::Quoted(quoted) = output else { panic!("{output:?}") };
    assert_eq!((quoted.id.as_str(), &quoted.status), ("O-17", &TaxStatus::Quoted));
    assert_eq!(quoted.total.amount, "486.78");
    assert_eq!(quoted.lines.len(), 2);
    assert_eq!((quoted.lines[0].rate.as_str(), quoted.lines[0].level.as_str()), ("4", "state"));
    assert_eq!(quoted.lines[1].rate, "0.375");
    let sent = replay::finish().remove(0).json();
    assert_eq!((&sent["type"], &sent["companyCode"]), (&json!("SalesOrder"), &json!("CROSSDOCK")));
    assert!(sent["lines"][0]["amount"].to_string().starts_with("447.1"));
    assert_eq!(sent["purchaseOrderNo"], "O-17");
    assert_eq!(sent["addresses"]["singleLocation"]["postalCode"], "10004");
}

#[test]
fn a_quote_that_fails_may_be_repeated_and_a_record_is_in_doubt() {
    let call = call();
    replay::answer(CREATE, 500, json!({}));
    let input = QuoteTaxInput { document: document("O-17") };
    assert_eq!(Connector::quote_tax(call.clone(), input).unwrap_err().retry, Retry::Later(None));
    replay::answer(GET, 404, json!({"error": {"code": "EntityNotFoundError", "message": "m"}}));
    replay::cut(CREATE);
    let input = RecordTaxInput { document: document("INV-1") };
    let fault = Connector::record_tax(call.clone(), input).unwrap_err();
    assert_eq!(fault.retry, Retry::OutcomeUnknown);
    replay::answer(GET, 200, transaction("Saved", "SalesInvoice"));
    let input = RecordTaxInput { document: document("INV-1") };
    let state = Connector::probe_record_tax(call, input).unwrap();
    assert!(matches!(state, RecordTaxState::Applied(_)), "{state:?}");
    replay::finish();
}

#[test]
fn a_committed_document_is_answered_as_it_is() {
    let call = call();
    replay::answer(GET, 200, transaction("Committed", "SalesInvoice"));
    let input = RecordTaxInput { document: document("INV-1") };
    let output = Connector::record_tax(call.clone(), input).unwrap();
    assert_eq!(output.outcome, RecordTaxOutcome::Committed);
    let input = || CommitTaxInput {
        company: "ACME".into(),
        document: Identity { id: "INV-1".into(), references: Vec::new() },
    };
    replay::answer(GET, 200, transaction("Committed", "SalesInvoice"));
    let output = Connector::commit_tax(call.clone(), input()).unwrap();
    assert_eq!(output.outcome, CommitTaxOutcome::Committed);
    replay::answer(GET, 200, transaction("Cancelled", "SalesInvoice"));
    assert_eq!(Connector::commit_tax(call, input()).unwrap().outcome, CommitTaxOutcome::Voided);
    assert_eq!(replay::finish().len(), 3);
}

#[test]
fn what_avatax_will_not_have_is_refused() {
    let call = call();
    replay::answer(
        CREATE,
        400,
        json!({"error": {"code": "InvalidAddress", "message": "The address is not deliverable.",
        "target": "IncorrectData", "details": [{"code": "InvalidPostalCode", "message": "Postal code 00000"}]}}),
    );
    let output = Connector::quote_tax(call, QuoteTaxInput { document: document("O-17") }).unwrap();
    let QuoteTaxOutput::Refused(refusal) = output else { panic!("{output:?}") };
    assert_eq!(refusal.code, "invalid-postal-code");
    assert_eq!(refusal.message, "The address is not deliverable. Postal code 00000");
    replay::finish();
}

#[test]
fn a_return_is_negative_and_taxed_at_the_originals_date() {
    let call = call();
    let mut taken_back = document("INV-1");
    taken_back.tax_on = Some("2026-03-01".into());
    taken_back.original = Some("INV-0".into());
    replay::answer(GET, 404, json!({"error": {"code": "EntityNotFoundError", "message": "m"}}));
    replay::answer(CREATE, 201, transaction("Committed", "ReturnInvoice"));
    Connector::return_tax(call, ReturnTaxInput { document: taken_back }).unwrap();
    let sent = replay::finish().remove(1).json();
    assert!(sent["lines"][0]["amount"].to_string().starts_with("-447.1"));
    assert_eq!((&sent["commit"], &sent["referenceCode"]), (&json!(true), &json!("INV-0")));
    assert_eq!(sent["taxOverride"]["taxDate"], "2026-03-01");
}

#[test]
fn the_config_schema_is_json() {
    assert!(serde_json::from_str::<Value>(&Connector::describe().config_schema).is_ok());
}
