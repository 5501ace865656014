//! Whole operations against documents as the REST v2 reference shows them.

mod statuses;

use crossdock_sdk::canonical::common::Address;
use crossdock_sdk::canonical::tax::{RoundingLevel, TaxStatus, TaxableDocument, TaxableLine};
use crossdock_sdk::canonical::{id_in, quantity};
use crossdock_sdk::http::replay;
use crossdock_sdk::{Call, Decimal, Identity, Money, Retry, config};
use serde_json::{Value, json};

use crate::Connector;
use crate::exports::crossdock::core::connector::Guest as _;
use crate::exports::crossdock::tax::tax_quoting::{Guest as _, QuoteTaxInput, QuoteTaxOutput};
use crate::exports::crossdock::tax::tax_recording::{
    CommitTaxInput, CommitTaxOutcome, Guest as _, RecordTaxInput, RecordTaxOutcome, ReturnTaxInput,
    VoidTaxInput, VoidTaxOutcome,
};
use crate::exports::crossdock::tax::tax_recording_probe::{Guest as _, RecordTaxState};
use crate::exports::crossdock::tms::address_validation::{
    Guest as _, ValidateAddressInput, ValidateAddressOutcome,
};

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
        "customerCode": "C-1001", "taxDate": "2026-04-02", "referenceCode": "O-17",
        "addresses": [{"id": 5, "boundaryLevel": "Address", "line1": "1 PIER", "city": "NEW YORK",
            "region": "NY", "country": "US", "postalCode": "10004-1234"}],
        "modifiedDate": "2026-04-02T10:00:01.123Z",
        "lines": [{"id": 1, "lineNumber": "1", "lineAmount": 447.10, "quantity": 3.0, "itemCode": "DRILL-18V",
            "taxCode": "P0000000", "details": [
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
fn what_is_recorded_just_so_is_not_recorded_again() {
    let call = call();
    let input = |change: &dyn Fn(&mut TaxableDocument)| {
        let mut document = document("INV-1");
        change(&mut document);
        RecordTaxInput { document }
    };
    replay::answer(GET, 200, transaction("Saved", "SalesInvoice"));
    let output = Connector::record_tax(call.clone(), input(&|_| {})).unwrap();
    assert_eq!(output.outcome, RecordTaxOutcome::Recorded);
    let kept = output.document.unwrap();
    assert_eq!(id_in(&kept.references, "crossdock", "order"), Some("O-17"));
    assert_eq!(id_in(&kept.references, "avatax", "tax-document"), Some("42"));
    assert_eq!(replay::finish().len(), 1);

    let changes: [&dyn Fn(&mut TaxableDocument); 4] = [
        &|document| document.lines[0].amount.amount = "447.11".into(),
        &|document| document.lines[0].ship_to.postal_code = Some("94105".into()),
        &|document| document.tax_on = Some("2026-03-01".into()),
        &|document| document.customer = "C-1002".into(),
    ];
    for change in changes {
        replay::answer(GET, 200, transaction("Saved", "SalesInvoice"));
        let state = Connector::probe_record_tax(call.clone(), input(change)).unwrap();
        assert_eq!(state, RecordTaxState::Absent);
        replay::answer(GET, 200, transaction("Saved", "SalesInvoice"));
        replay::answer(CREATE, 201, transaction("Saved", "SalesInvoice"));
        Connector::record_tax(call.clone(), input(change)).unwrap();
        assert_eq!(replay::finish().len(), 3);
    }
}

#[test]
fn a_mistake_of_ours_is_a_fault_and_no_refusal() {
    let call = call();
    let error = json!({"error": {"code": "ValueRequiredError", "message": "Field customerCode is required.",
        "details": [{"code": "ValueRequiredError", "message": "Field customerCode is required."}]}});
    replay::answer(CREATE, 400, error);
    let input = QuoteTaxInput { document: document("O-17") };
    let fault = Connector::quote_tax(call.clone(), input).unwrap_err();
    assert_eq!((fault.retry, fault.code.as_str()), (Retry::Never, "value-required-error"));
    let mut document = document("O-17");
    document.rounding = RoundingLevel::Document;
    let output = Connector::quote_tax(call, QuoteTaxInput { document }).unwrap();
    assert!(matches!(output, QuoteTaxOutput::Refused(refusal) if refusal.code == "rounding-level"));
    replay::finish();
}

#[test]
fn amounts_keep_their_digits_or_are_refused() {
    let quote = |amount: &str| {
        let mut document = document("O-17");
        document.lines[0].amount.amount = amount.into();
        Connector::quote_tax(call(), QuoteTaxInput { document })
    };
    for amount in ["0.01", "10.1", "9999999999.99", "0", "-10.5", "1.234"] {
        replay::answer(CREATE, 201, transaction("Temporary", "SalesOrder"));
        quote(amount).unwrap();
        let sent = replay::finish().remove(0).body;
        assert!(sent.contains(&format!("\"amount\":{amount}")), "{sent}");
    }
    assert_eq!(quote("123456789012345678.91").unwrap_err().retry, Retry::Never);
}

#[test]
fn voiding_again_changes_nothing_and_a_filed_document_stays() {
    let call = call();
    let path = "companies/CROSSDOCK/transactions/_-ava23-_1001-I";
    let get = format!("GET http://avatax/api/v2/{path}?%24include=Lines%2CDetails%2CAddresses");
    let void = format!("POST http://avatax/api/v2/{path}/void");
    let check = |expect: VoidTaxOutcome| {
        let document = Identity { id: "#1001-I".into(), references: Vec::new() };
        let input = VoidTaxInput { company: None, document, reason: None };
        assert_eq!(Connector::void_tax(call.clone(), input).unwrap().outcome, expect);
        replay::finish();
    };
    let locked = || {
        let mut locked = transaction("Committed", "SalesInvoice");
        locked["locked"] = true.into();
        locked
    };
    replay::answer(&get, 200, transaction("Committed", "SalesInvoice"));
    replay::answer(&void, 200, transaction("Cancelled", "SalesInvoice"));
    check(VoidTaxOutcome::Voided);
    replay::answer(&get, 200, transaction("Cancelled", "SalesInvoice"));
    check(VoidTaxOutcome::Voided);
    replay::answer(&get, 200, locked());
    check(VoidTaxOutcome::TooLate);
    replay::answer(&get, 404, json!({"error": {"code": "EntityNotFoundError", "message": "m"}}));
    check(VoidTaxOutcome::Unknown);
}

#[test]
fn exemptions_go_where_avatax_looks_for_them() {
    let sent = |exemption: &str| {
        let call = call();
        config::set(json!({"companies": {"ACME": "CROSSDOCK"}, "exemptions": {"resale": "G"}}));
        let mut document = document("O-17");
        document.exemption = Some(exemption.into());
        replay::answer(CREATE, 201, transaction("Temporary", "SalesOrder"));
        Connector::quote_tax(call, QuoteTaxInput { document }).unwrap();
        let sent = replay::finish().remove(0).json();
        (sent["entityUseCode"].clone(), sent["exemptionNo"].clone())
    };
    assert_eq!(sent("resale"), (json!("G"), Value::Null));
    assert_eq!(sent("A"), (json!("A"), Value::Null));
    assert_eq!(sent("NY-4711"), (Value::Null, json!("NY-4711")));
}

#[test]
fn an_address_is_confirmed_corrected_or_undeliverable() {
    let resolve = "POST http://avatax/api/v2/addresses/resolve";
    let check = |answer: Value, expect: ValidateAddressOutcome| {
        replay::answer(resolve, 200, answer);
        let address = document("O-17").lines[0].ship_to.clone();
        let output = Connector::validate_address(call(), ValidateAddressInput { address }).unwrap();
        assert_eq!(output.outcome, expect);
        assert_eq!(replay::finish()[0].json()["line1"], "1 Pier");
        output
    };
    let valid = |line1: &str| {
        json!({"validatedAddresses": [{"addressType": "HighRiseOrBusinessComplex",
        "line1": line1, "line2": "", "city": "NEW YORK", "region": "NY", "country": "US",
        "postalCode": "10004-1234", "latitude": 40.7, "longitude": -74.0}], "messages": []})
    };
    check(valid("1 PIER"), ValidateAddressOutcome::Confirmed);
    let corrected = check(valid("1 PIER A"), ValidateAddressOutcome::Corrected);
    assert_eq!(corrected.address.lines, ["1 PIER A"]);
    let message = json!({"summary": "The address is not deliverable.", "details": "No homes there.", "severity": "Error"});
    let output = check(
        json!({"validatedAddresses": [], "messages": [message]}),
        ValidateAddressOutcome::Undeliverable,
    );
    assert_eq!(output.notes, ["No homes there."]);
}

#[test]
fn the_config_schema_is_json() {
    assert!(serde_json::from_str::<Value>(&Connector::describe().config_schema).is_ok());
}
