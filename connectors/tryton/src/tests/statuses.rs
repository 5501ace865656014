//! What becomes of each status, by the tables in README.md.

mod played;

use std::collections::BTreeMap;

use crossdock_sdk::canonical::receipts::Receipt;
use crossdock_sdk::canonical::returns::GoodsReturn;
use crossdock_sdk::canonical::shipments::Milestone;
use crossdock_sdk::http::replay::{Failure, Served, serve};
use crossdock_sdk::http::statuses::{Failing, Operation, Product, check, word};
use crossdock_sdk::{Fault, PollRequest};
use serde::de::DeserializeOwned;

use self::played::*;
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

#[test]
fn every_status_becomes_what_the_readme_says() {
    let product = Product { name, refusal, own: own() };
    let operations: Vec<Operation> = orders().into_iter().chain(books()).collect();
    check(include_str!("../../README.md"), &product, &operations);
}
