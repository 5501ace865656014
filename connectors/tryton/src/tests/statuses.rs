//! What becomes of each status, by the tables in README.md. Bodies are as Tryton 8.0.12 wrote them.

use std::collections::BTreeMap;

use crossdock_sdk::canonical::receipts::Receipt;
use crossdock_sdk::canonical::returns::GoodsReturn;
use crossdock_sdk::canonical::shipments::Milestone;
use crossdock_sdk::http::replay::{Failure, Served, serve};
use crossdock_sdk::http::statuses::{Failing, Operation, Product, check, word};
use crossdock_sdk::{Fault, PollRequest};
use serde::de::DeserializeOwned;

use super::*;
use crate::exports::crossdock::erp::cash_application::{
    ApplyReceiptInput, Guest as _, UnapplyReceiptInput,
};
use crate::exports::crossdock::erp::cash_application_probe::Guest as _;
use crate::exports::crossdock::erp::credit_note_inquiry::{GetCreditNoteInput, Guest as _};
use crate::exports::crossdock::erp::customer_feed::Guest as _;
use crate::exports::crossdock::erp::customer_inquiry::{GetCustomerInput, Guest as _};
use crate::exports::crossdock::erp::fulfilment_progress::{Guest as _, RecordMilestoneInput};
use crate::exports::crossdock::erp::invoice_feed::Guest as _;
use crate::exports::crossdock::erp::invoice_inquiry::{
    GetInvoiceInput, Guest as _, ListOrderInvoicesInput,
};
use crate::exports::crossdock::erp::invoicing::{
    CreditInvoiceInput, Guest as _, PostInvoiceInput, PreviewInvoiceInput,
};
use crate::exports::crossdock::erp::invoicing_probe::Guest as _;
use crate::exports::crossdock::erp::item_feed::Guest as _;
use crate::exports::crossdock::erp::item_inquiry::{GetItemInput, Guest as _};
use crate::exports::crossdock::erp::order_feed::Guest as _;
use crate::exports::crossdock::erp::order_inquiry::{GetOrderInput, Guest as _};
use crate::exports::crossdock::erp::pricing::{Guest as _, PriceOrderInput};
use crate::exports::crossdock::erp::returns::{
    AuthoriseReturnInput, CancelReturnInput, Guest as _, ReceiveReturnInput,
};
use crate::exports::crossdock::erp::returns_probe::Guest as _;
use crate::{Config, invoice};

/// `GET sale.sale`, `POST sale.sale/{id}/quote`, `RPC wizard.account.invoice.pay/choice`.
fn name(seen: &Seen) -> String {
    if seen.request == RPC {
        let body = seen.json();
        let method = body["method"].as_str().unwrap_or_default();
        return match method.strip_suffix(".execute") {
            Some(wizard) => format!("RPC {wizard}/{}", body["params"][2].as_str().unwrap_or("")),
            None => format!("RPC {method}"),
        };
    }
    let (method, model, id, action) = parts(seen);
    let id = id.map_or("", |_| "/{id}");
    let action = action.map(|action| format!("/{action}")).unwrap_or_default();
    format!("{method} {model}{id}{action}")
}

fn parts(seen: &Seen) -> (&str, &str, Option<&str>, Option<&str>) {
    let (method, url) = seen.request.split_once(' ').expect("method and address");
    let path = url.split_once("/rest/model/").expect("a model").1;
    let mut parts = path.split('?').next().unwrap_or_default().split('/');
    (method, parts.next().unwrap_or_default(), parts.next(), parts.next())
}

/// The records of one play, by model; an action moves their state.
type Records = BTreeMap<&'static str, Vec<Value>>;

fn tryton(mut records: Records) {
    serve(move |seen: &Seen| -> Served {
        let answer = |body: Value| (200, Vec::new(), body.to_string().into_bytes());
        if seen.request == RPC {
            return answer(rpc(&seen.json(), &mut records));
        }
        let (method, model, id, action) = parts(seen);
        let id = id.and_then(|id| id.parse::<i64>().ok());
        let known = records.entry(MODELS.iter().find(|m| **m == model).copied().unwrap_or(""));
        let known = known.or_default();
        match (method, id, action) {
            ("GET", ..) => answer(found(known, &domain(seen)).into()),
            ("DELETE", ..) => (204, Vec::new(), Vec::new()),
            (_, Some(id), Some(action)) => {
                moved(known, id, action);
                answer(found(known, &json!([["id", "=", id]]))[0].clone())
            }
            (_, Some(id), None) => answer(found(known, &json!([["id", "=", id]]))[0].clone()),
            _ => {
                let made = created(model);
                known.push(made.clone());
                answer(made)
            }
        }
    });
}

const MODELS: [&str; 10] = [
    "account.invoice.payment_term",
    "sale.sale",
    "party.party",
    "product.product",
    "stock.shipment.out",
    "stock.shipment.out.return",
    "account.invoice",
    "account.move",
    "account.move.line",
    "product.uom",
];

fn domain(seen: &Seen) -> Value {
    let text = seen.request.split("d=").nth(1).unwrap_or_default();
    let text = text.split('&').next().unwrap_or_default().replace("%3D", "=");
    serde_json::from_slice(&URL_SAFE.decode(text).expect("base64")).expect("a domain")
}

/// Records that no clause contradicts: what a record does not say fits. A model without records has
/// one that fits all.
fn found(known: &[Value], domain: &Value) -> Vec<Value> {
    let contradicts = |record: &Value, clause: &Value| {
        let own = &record[clause[0].as_str().unwrap_or_default()];
        let asked = &clause[2];
        match clause[1].as_str() {
            _ if own.is_null() => false,
            Some("=") => own != asked,
            Some("in") => !asked.as_array().is_some_and(|asked| asked.contains(own)),
            _ => false,
        }
    };
    let clauses = domain.as_array().cloned().unwrap_or_default();
    let fits = |record: &&Value| !clauses.iter().any(|clause| contradicts(record, clause));
    known.iter().filter(fits).cloned().collect()
}

fn moved(known: &mut [Value], id: i64, action: &str) {
    let state = match action {
        "quote" => "quotation",
        "confirm" => "confirmed",
        "process" => "processing",
        "cancel" => "cancelled",
        "wait" => "waiting",
        "assign_force" => "assigned",
        "pick" => "picked",
        "pack" => "packed",
        "ship" => "shipped",
        "do" => "done",
        "receive" => "received",
        "post" => "posted",
        other => other,
    };
    for record in known.iter_mut().filter(|record| record["id"] == id) {
        record["state"] = state.into();
    }
}

fn rpc(body: &Value, records: &mut Records) -> Value {
    let method = body["method"].as_str().unwrap_or_default();
    let id = body["params"][0][0].as_i64().unwrap_or_default();
    let result = match method.rsplit_once('.') {
        Some((_, "create")) => json!([1, "start", "end"]),
        Some((_, "execute")) => json!({}),
        Some(("model.sale.sale", "write")) => Value::Null,
        Some(("model.sale.sale", action)) => {
            moved(records.entry("sale.sale").or_default(), id, action);
            Value::Null
        }
        _ => Value::Null,
    };
    json!({"id": 0, "result": result})
}

fn amount(text: &str) -> Value {
    json!({"__class__": "Decimal", "decimal": text})
}

fn created(model: &str) -> Value {
    match model {
        "sale.sale" => sale("draft"),
        "account.invoice" => invoice_in("draft"),
        "account.move" => json!({"id": 8, "state": "draft", "description": "R-1", "lines": []}),
        _ => json!({"id": 1}),
    }
}

fn sale(state: &str) -> Value {
    let mut sale = sale_of(&order(), state);
    sale["shipments"] = json!([6]);
    sale["lines"][0]["moves"] = json!([{"id": 1, "quantity": 0.0, "state": "draft"}]);
    sale
}

fn invoice_in(state: &str) -> Value {
    json!({
        "id": 5, "reference": "INV-1", "number": "2026-1", "state": state, "description": "O-17",
        "comment": "Order: O-17", "party": {"id": 1, "code": "C-1001", "name": "Harbour Hardware Ltd"},
        "currency": {"id": 1, "code": "USD"}, "invoice_address": 1, "account": 1,
        "invoice_date": {"__class__": "date", "year": 2026, "month": 4, "day": 2},
        "untaxed_amount": amount("440.00"), "tax_amount": amount("0.00"),
        "total_amount": amount("440.00"), "amount_to_pay": amount("440.00"), "taxes": [],
        "lines": [{
            "id": 3, "type": "line", "product": {"id": 2, "code": "DRILL-18V"}, "quantity": 1.0,
            "unit": {"id": 1, "symbol": "u"}, "unit_price": amount("440.00"),
            "amount": amount("440.00"), "origin": "sale.line,1",
        }],
        "lines_to_pay": [], "payment_lines": [],
        "create_date": {"__class__": "datetime", "year": 2026, "month": 4, "day": 2, "hour": 10,
                        "minute": 0, "second": 0, "microsecond": 5},
    })
}

fn goods_back(state: &str) -> Value {
    let mut back = sale(state);
    back["id"] = 9.into();
    back["reference"] = "RET-1".into();
    back["origin"] = "sale.sale,4".into();
    back["shipment_returns"] = json!([7]);
    back["lines"] = json!([]);
    back
}

/// Customer, item and unit, and what a test adds.
fn world(more: &[(&'static str, Value)]) -> Records {
    let day = &invoice_in("draft")["create_date"];
    let party = json!({
        "id": 1, "code": "C-1001", "name": "Harbour Hardware Ltd", "active": true,
        "addresses": [{"id": 1, "invoice": true, "delivery": true}], "create_date": day,
        "credit_amount": amount("0"), "credit_limit_amount": amount("100000"),
    });
    let product = json!({
        "id": 2, "code": "DRILL-18V", "name": "Cordless drill", "salable": true, "active": true,
        "create_date": day, "sale_price_uom": amount("149.0000"),
    });
    let mut records = Records::from([
        ("party.party", vec![party]),
        ("product.product", vec![product]),
        ("product.uom", vec![json!({"id": 1, "symbol": "u"})]),
        // Of every other model one record.
        ("", vec![json!({"id": 1})]),
        ("account.invoice.payment_term", vec![json!({"id": 1, "name": "Net 30"})]),
    ]);
    for (model, record) in more {
        records.entry(model).or_default().push(record.clone());
    }
    records
}

fn identity(id: &str) -> Identity {
    Identity { id: id.into(), references: Vec::new() }
}

fn typed<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a value of the contract")
}

fn milestone() -> Milestone {
    typed(json!({
        "id": "M-1", "company": "ACME", "references": [], "attributes": [], "version": 1,
        "occurred_at": "2026-04-03T10:00:00Z", "kind": "Shipped", "order": "O-17",
        "shipment": "S-1", "lines": [],
    }))
}

fn receipt(invoice: &str, method: &str) -> Receipt {
    typed(json!({
        "id": "R-1", "company": "ACME", "references": [], "attributes": [], "version": 1,
        "occurred_at": "2026-04-05T10:00:00Z", "status": "Received", "payer": "C-1001",
        "method": method, "received_on": "2026-04-05", "currency": "USD",
        "amount": usd("440"), "fees": [],
        "lines": [{"id": "1", "invoice": invoice, "references": [], "amount": usd("440"), "deductions": []}],
    }))
}

fn goods_return() -> GoodsReturn {
    typed(json!({
        "id": "RET-1", "company": "ACME", "references": [], "attributes": [], "version": 1,
        "occurred_at": "2026-04-05T10:00:00Z", "order": "O-17", "status": "Requested",
        "reason": "Unwanted",
        "lines": [{"id": "1", "order_line": "1", "item": "DRILL-18V",
                   "quantity": quantity(Decimal::ONE, "C62"), "lots": []}],
    }))
}

fn operation(
    name: &'static str,
    records: impl Fn() -> Records + 'static,
    run: impl Fn(Call) -> Result<String, Fault> + 'static,
) -> Operation {
    Operation::new(name, move || {
        let call = call();
        tryton(records());
        run(call)
    })
}

/// Every operation of the order side.
fn orders() -> Vec<Operation> {
    let open = |state: &'static str| {
        move || world(&[("sale.sale", sale(state)), ("stock.shipment.out", shipment("waiting"))])
    };
    let create = |call| Connector::create_order(call, CreateOrderInput { order: order() });
    let cancel = |lines: Option<Vec<String>>| {
        move |call| {
            let input =
                CancelOrderInput { order: identity("O-17"), lines: lines.clone(), reason: None };
            Ok(word(&Connector::cancel_order(call, input)?.outcome))
        }
    };
    let poll = || PollRequest { cursor: None, limit: 10 };
    vec![
        operation(
            "price-order",
            || world(&[]),
            |call| {
                let mut order = order();
                order.lines[0].price = None;
                let input = PriceOrderInput { order, on: None, keep_prices: false };
                Ok(word(&Connector::price_order(call, input)?.outcome))
            },
        ),
        operation("check-credit", open("processing"), |call| {
            let input = CheckCreditInput {
                company: "ACME".into(),
                customer: "C-1001".into(),
                amount: usd("1"),
                order: Some("O-17".into()),
            };
            Ok(word(&Connector::check_credit(call, input)?.decision))
        }),
        operation(
            "create-order",
            || world(&[("party.address", json!({"id": 1}))]),
            move |call| Ok(word(&create(call)?.outcome)),
        ),
        operation("cancel-order", open("quotation"), cancel(None)),
        operation(
            "cancel-order",
            || {
                let mut sale = sale("quotation");
                let mut other = sale["lines"][0].clone();
                other["id"] = 9.into();
                other["note"] = json!({"line": {"id": "2", "unit": "C62"}}).to_string().into();
                sale["lines"].as_array_mut().expect("lines").push(other);
                world(&[("sale.sale", sale)])
            },
            cancel(Some(vec!["2".into()])),
        ),
        operation(
            "cancel-order",
            || {
                let mut sale = sale("processing");
                sale["shipment_state"] = "exception".into();
                sale["lines"][0]["moves"][0]["state"] = "cancelled".into();
                world(&[("sale.sale", sale), ("stock.shipment.out", shipment("waiting"))])
            },
            cancel(None),
        ),
        operation("probe-create-order", open("processing"), |call| {
            let input = CreateOrderInput { order: order() };
            Ok(word(&Connector::probe_create_order(call, input)?))
        }),
        operation("get-order", open("processing"), |call| {
            let input = GetOrderInput { company: "ACME".into(), order: identity("O-17") };
            Ok(word(&Connector::get_order(call, input)?))
        }),
        operation("list-changed-orders", open("processing"), move |call| {
            Ok(format!("{} items", Connector::list_changed_orders(call, poll())?.items.len()))
        }),
        operation("record-milestone", open("confirmed"), |call| {
            let input = RecordMilestoneInput { milestone: milestone(), shipment: None };
            Ok(word(&Connector::record_milestone(call, input)?.outcome))
        }),
        operation(
            "get-customer",
            || world(&[]),
            |call| {
                let input =
                    GetCustomerInput { company: "ACME".into(), customer: identity("C-1001") };
                Ok(word(&Connector::get_customer(call, input)?))
            },
        ),
        operation(
            "list-changed-customers",
            || world(&[]),
            move |call| {
                Ok(format!(
                    "{} items",
                    Connector::list_changed_customers(call, poll())?.items.len()
                ))
            },
        ),
        operation(
            "get-item",
            || world(&[]),
            |call| {
                let input = GetItemInput { company: "ACME".into(), item: identity("DRILL-18V") };
                Ok(word(&Connector::get_item(call, input)?))
            },
        ),
        operation(
            "list-changed-items",
            || world(&[]),
            move |call| {
                Ok(format!("{} items", Connector::list_changed_items(call, poll())?.items.len()))
            },
        ),
    ]
}

fn shipment(state: &str) -> Value {
    json!({
        "id": 6, "state": state, "reference": null,
        "outgoing_moves": [{"id": 1, "origin": "sale.line,1", "quantity": 5.0, "state": "draft",
                            "_timestamp": "1775124000.5"}],
    })
}

/// Every operation of invoices, cash and returns.
fn books() -> Vec<Operation> {
    let invoiced = |state: &'static str| {
        move || world(&[("account.invoice", invoice_in(state)), ("sale.sale", sale("processing"))])
    };
    let canonical = || {
        let config: Config = config::get().expect("a config");
        invoice::invoice(&Record(invoice_in("posted")), &BTreeMap::new(), &config)
    };
    let post = move || PostInvoiceInput { invoice: canonical(), tax: None };
    let credit = |id: &str| CreditInvoiceInput {
        invoice: identity("INV-1"),
        credit_note: Some(id.into()),
        credits: None,
        goods_return: None,
        reason: None,
    };
    let noted = || {
        let mut note = invoice_in("posted");
        note["id"] = 6.into();
        note["reference"] = "CN-1".into();
        note["comment"] = "Order: O-17\nCredits: INV-1".into();
        world(&[
            ("account.invoice", invoice_in("posted")),
            ("account.invoice", note),
            ("sale.sale", sale("processing")),
        ])
    };
    let payment = || {
        json!({
            "id": 8, "description": "R-1/1", "state": "posted", "origin": "account.invoice,5",
            "lines": [
                {"id": 1, "account": 1, "debit": amount("0"), "credit": amount("440.00"), "reconciliation": 2},
                {"id": 2, "account": 5, "debit": amount("440.00"), "credit": amount("0"), "reconciliation": null},
            ],
        })
    };
    let paid = move || {
        let mut invoice = invoice_in("paid");
        invoice["amount_to_pay"] = amount("0.00");
        invoice["lines_to_pay"] = json!([{"id": 9, "reconciliation": 2}]);
        let payout = json!({"id": 10, "description": "R-1", "state": "posted", "lines": []});
        world(&[
            ("account.invoice", invoice),
            ("account.move", payment()),
            ("account.move", payout),
        ])
    };
    let returned = |state: &'static str| {
        move || {
            let mut sold = sale("processing");
            sold["lines"][0]["moves"] = json!([{"id": 1, "quantity": 3.0, "state": "done"}]);
            let shipment =
                json!({"id": 7, "state": if state == "processing" { "done" } else { "draft" }});
            world(&[
                ("sale.sale", sold),
                ("sale.sale", goods_back(state)),
                ("stock.shipment.out.return", shipment),
                ("account.invoice", invoice_in("posted")),
            ])
        }
    };
    vec![
        operation(
            "preview-invoice",
            || world(&[]),
            |call| {
                let input = PreviewInvoiceInput {
                    id: "INV-1".into(),
                    order: order(),
                    shipment: None,
                    on: None,
                };
                Ok(word(&Connector::preview_invoice(call, input)?.outcome))
            },
        ),
        operation(
            "post-invoice",
            || world(&[("sale.sale", sale("processing"))]),
            move |call| Ok(word(&Connector::post_invoice(call, post())?.outcome)),
        ),
        operation("probe-post-invoice", invoiced("posted"), move |call| {
            Ok(word(&Connector::probe_post_invoice(call, post())?))
        }),
        operation("credit-invoice", invoiced("posted"), move |call| {
            Ok(word(&Connector::credit_invoice(call, credit("CN-1"))?.outcome))
        }),
        operation("probe-credit-invoice", noted, move |call| {
            Ok(word(&Connector::probe_credit_invoice(call, credit("CN-1"))?))
        }),
        operation("get-invoice", invoiced("posted"), |call| {
            let input = GetInvoiceInput { company: "ACME".into(), invoice: identity("INV-1") };
            Ok(word(&Connector::get_invoice(call, input)?))
        }),
        operation("list-order-invoices", invoiced("posted"), |call| {
            let input = ListOrderInvoicesInput { company: "ACME".into(), order: identity("O-17") };
            Ok(format!("{} invoices", Connector::list_order_invoices(call, input)?.invoices.len()))
        }),
        operation("list-changed-invoices", invoiced("posted"), |call| {
            let request = PollRequest { cursor: None, limit: 10 };
            Ok(format!("{} items", Connector::list_changed_invoices(call, request)?.items.len()))
        }),
        operation("get-credit-note", noted, |call| {
            let input =
                GetCreditNoteInput { company: "ACME".into(), credit_note: identity("CN-1") };
            Ok(word(&Connector::get_credit_note(call, input)?))
        }),
        operation("apply-receipt", invoiced("posted"), |call| {
            let input = ApplyReceiptInput { receipt: receipt("INV-1", "BankTransfer") };
            Ok(word(&Connector::apply_receipt(call, input)?.outcome))
        }),
        operation(
            "apply-receipt",
            || world(&[]),
            |call| {
                let input = ApplyReceiptInput { receipt: receipt("INV-404", "Card") };
                Ok(word(&Connector::apply_receipt(call, input)?.outcome))
            },
        ),
        operation("probe-apply-receipt", paid, |call| {
            let input = ApplyReceiptInput { receipt: receipt("INV-1", "Card") };
            Ok(word(&Connector::probe_apply_receipt(call, input)?))
        }),
        operation("unapply-receipt", paid, |call| {
            let input = UnapplyReceiptInput { receipt: identity("R-1"), only: None, reason: None };
            Ok(word(&Connector::unapply_receipt(call, input)?.outcome))
        }),
        operation(
            "authorise-return",
            || {
                let mut sold = sale("processing");
                sold["lines"][0]["moves"] = json!([{"id": 1, "quantity": 3.0, "state": "done"}]);
                world(&[("sale.sale", sold)])
            },
            |call| {
                let input = AuthoriseReturnInput { goods_return: goods_return() };
                Ok(word(&Connector::authorise_return(call, input)?.outcome))
            },
        ),
        operation("probe-authorise-return", returned("quotation"), |call| {
            let input = AuthoriseReturnInput { goods_return: goods_return() };
            Ok(word(&Connector::probe_authorise_return(call, input)?))
        }),
        operation("receive-return", returned("quotation"), |call| {
            let input = ReceiveReturnInput { goods_return: identity("RET-1"), lines: Vec::new() };
            Ok(word(&Connector::receive_return(call, input)?.outcome))
        }),
        operation("probe-receive-return", returned("processing"), |call| {
            let input = ReceiveReturnInput { goods_return: identity("RET-1"), lines: Vec::new() };
            Ok(word(&Connector::probe_receive_return(call, input)?))
        }),
        operation("cancel-return", returned("quotation"), |call| {
            let input = CancelReturnInput { goods_return: identity("RET-1") };
            Ok(word(&Connector::cancel_return(call, input)?.outcome))
        }),
    ]
}

/// Rules of Tryton refuse with a document, all else with a page of its server.
fn refusal(status: u16) -> (&'static str, String) {
    if status == 400 {
        let message = "You can not call \"confirm\" on \"12 [O-17]\" of \"Sale\".";
        let body = json!({"status": 400, "message": message, "description": ""});
        return ("application/json", body.to_string());
    }
    let (title, text) = match status {
        401 => (
            "Unauthorized",
            "The server could not verify that you are authorized to access the URL requested. You either supplied the wrong credentials (e.g. a bad password), or your browser doesn&#39;t understand how to supply the credentials required.",
        ),
        403 => (
            "Forbidden",
            "You don&#39;t have the permission to access the requested resource. It is either read-protected or not readable by the server.",
        ),
        404 => (
            "Not Found",
            "The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.",
        ),
        429 => (
            "Too Many Requests",
            "This user has exceeded an allotted request count. Try again later.",
        ),
        503 => ("Service Unavailable", "database is locked"),
        _ => ("Internal Server Error", "&#39;nofield&#39;"),
    };
    let page = format!(
        "<!doctype html>\n<html lang=en>\n<title>{status} {title}</title>\n<h1>{title}</h1>\n<p>{text}</p>\n"
    );
    ("text/html; charset=utf-8", page)
}

/// Refusals by JSON-RPC come with 200.
fn own() -> Vec<Failing> {
    const CHECKED: [&str; 4] = [
        "RPC model.sale.sale.cancel",
        "RPC model.sale.sale.draft",
        "RPC model.sale.sale.write",
        "RPC model.stock.move.write",
    ];
    const WIZARDS: [&str; 3] = [
        "RPC wizard.account.invoice.pay.create",
        "RPC wizard.account.invoice.pay/start",
        "RPC wizard.account.invoice.pay/choice",
    ];
    let with = |request, status, error: Value| {
        let body = json!({"id": 0, "error": error}).to_string().into_bytes();
        let media = ("content-type".to_owned(), "application/json".to_owned());
        Failing { status, request, failure: Failure::Answer(200, vec![media], body) }
    };
    let mut own = Vec::new();
    for request in CHECKED {
        let error = json!(["ConcurrencyException", "Records were modified in the meanwhile"]);
        own.push(with(request, "200 ConcurrencyException", error));
    }
    for request in CHECKED.into_iter().chain(WIZARDS) {
        let message = "You can not call \"cancel\" on \"12 [O-17]\" of \"Sale\".";
        own.push(with(request, "200 UserError", json!(["UserError", [message, "", null]])));
        own.push(with(request, "200 error", json!(["'nofield'", ""])));
    }
    own
}

#[test]
fn every_status_becomes_what_the_readme_says() {
    let product = Product { name, refusal, own: own() };
    let operations: Vec<Operation> = orders().into_iter().chain(books()).collect();
    check(include_str!("../../README.md"), &product, &operations);
}
