//! What becomes of each status, by the tables in README.md.

use crossdock_sdk::http::replay::{Failure, Seen, Served, serve};
use crossdock_sdk::http::statuses::{Failing, Operation, Product, check, path, word};

use super::*;
use crate::exports::crossdock::tax::tax_inquiry::{GetTaxInput, Guest as _};

/// AvaTax with one document in this state, or none; and, once a document was sent, in that one.
fn avatax(state: Option<&'static str>, later: Option<&'static str>) {
    let mut state = state;
    serve(move |seen: &Seen| -> Served {
        let answer = |status, body: Value| (status, Vec::new(), body.to_string().into_bytes());
        let kind = "SalesInvoice";
        match name(seen).as_str() {
            GET_TRANSACTION => match state {
                Some(state) => answer(200, transaction(state, kind)),
                None => answer(404, error(404)),
            },
            RESOLVE => answer(200, json!({"validatedAddresses": [], "messages": []})),
            VOID => answer(200, transaction("Cancelled", kind)),
            COMMIT => answer(200, transaction("Committed", kind)),
            _ => {
                state = later;
                answer(201, transaction("Saved", kind))
            }
        }
    });
}

const CREATE_TRANSACTION: &str = "POST /api/v2/transactions/create";
const GET_TRANSACTION: &str = "GET /api/v2/companies/{company}/transactions/{code}";
const COMMIT: &str = "POST /api/v2/companies/{company}/transactions/{code}/commit";
const VOID: &str = "POST /api/v2/companies/{company}/transactions/{code}/void";
const RESOLVE: &str = "POST /api/v2/addresses/resolve";

fn name(seen: &Seen) -> String {
    path(seen, &[CREATE_TRANSACTION, GET_TRANSACTION, COMMIT, VOID, RESOLVE])
}

/// AvaTax's error document, as its reference shows it for each status.
fn error(status: u16) -> Value {
    let (code, message) = match status {
        400 => ("ValueRequiredError", "Field customerCode is required."),
        401 => ("AuthenticationException", "Authentication failed."),
        403 => ("PermissionRequired", "Permission required to do this."),
        404 => ("EntityNotFoundError", "Document with ID 'CROSSDOCK:INV-1' not found."),
        409 | 422 => ("Conflict", "Not as it is."),
        _ => ("ServerError", "The server could not do this."),
    };
    let detail =
        json!({"code": code, "message": message, "faultCode": "Client", "severity": "Error"});
    json!({"error": {"code": code, "message": message, "target": "Unknown", "details": [detail]}})
}

/// What AvaTax says of one of its requests only; the status is 400 and the code.
fn own(status: &'static str, request: &'static str, message: &str) -> Failing {
    let code = status.trim_start_matches("400 ").trim_matches('`');
    let detail =
        json!({"code": code, "message": message, "faultCode": "Client", "severity": "Error"});
    let error = json!({"code": code, "message": message, "target": "Unknown", "details": [detail]});
    let body = json!({"error": error}).to_string().into_bytes();
    Failing { status, request, failure: Failure::Answer(400, Vec::new(), body) }
}

#[test]
fn every_status_becomes_what_the_readme_says() {
    let input = || Identity { id: "INV-1".into(), references: Vec::new() };
    let asked = |state: Option<&'static str>| {
        avatax(state, state);
        (call(), document("INV-1"))
    };
    let operations = [
        Operation::new("quote-tax", move || {
            let (call, document) = asked(None);
            Connector::quote_tax(call, QuoteTaxInput { document }).map(|output| word(&output))
        }),
        Operation::new("record-tax", move || {
            // Somebody else records it at the same time, and is faster.
            avatax(None, Some("Committed"));
            let (call, document) = (call(), document("INV-1"));
            let output = Connector::record_tax(call, RecordTaxInput { document })?;
            Ok(word(&output.outcome))
        }),
        Operation::new("commit-tax", move || {
            let (call, _) = asked(Some("Saved"));
            let input = CommitTaxInput { company: "ACME".into(), document: input() };
            Ok(word(&Connector::commit_tax(call, input)?.outcome))
        }),
        Operation::new("void-tax", move || {
            let (call, _) = asked(Some("Saved"));
            let input = VoidTaxInput { company: None, document: input(), reason: None };
            Ok(word(&Connector::void_tax(call, input)?.outcome))
        }),
        Operation::new("return-tax", move || {
            let (call, document) = asked(None);
            let output = Connector::return_tax(call, ReturnTaxInput { document })?;
            Ok(word(&output.outcome))
        }),
        Operation::new("probe-record-tax", move || {
            let (call, document) = asked(Some("Saved"));
            let state = Connector::probe_record_tax(call, RecordTaxInput { document })?;
            Ok(word(&state))
        }),
        Operation::new("probe-return-tax", move || {
            let (call, document) = asked(Some("Committed"));
            let state = Connector::probe_return_tax(call, ReturnTaxInput { document })?;
            Ok(word(&state))
        }),
        Operation::new("get-tax", move || {
            let (call, _) = asked(Some("Saved"));
            let input = GetTaxInput { company: "ACME".into(), document: input() };
            Connector::get_tax(call, input).map(|output| word(&output))
        }),
        Operation::new("validate-address", move || {
            let (call, document) = asked(None);
            let address = document.lines[0].ship_to.clone();
            let output = Connector::validate_address(call, ValidateAddressInput { address })?;
            Ok(word(&output.outcome))
        }),
    ];
    let product = Product {
        name,
        refusal: |status| ("application/json", error(status).to_string()),
        own: vec![
            own("400 `InvalidAddress`", CREATE_TRANSACTION, "The address is not deliverable."),
            own(
                "400 `DocumentCodeConflict`",
                CREATE_TRANSACTION,
                "Document code 'INV-1' is committed already.",
            ),
            own(
                "400 `CannotModifyLockedTransaction`",
                VOID,
                "The transaction is locked by a return that was filed.",
            ),
        ],
    };
    check(include_str!("../../README.md"), &product, &operations);
}
