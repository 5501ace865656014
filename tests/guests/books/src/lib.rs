//! The questions that the reconciliation routes ask of an ERP, a warehouse and a payment service, by
//! the names that those contracts have, over a system that tests play. It only reads; objects have the
//! fields that the routes look at and no more.

#[path = "../../hostile/src/http.rs"]
mod http;

wit_bindgen::generate!({
    inline: r#"
        package acme:books@1.0.0;

        interface books {
            use crossdock:core/types@1.0.0.{call, fault, timestamp, money, reference, identity};
            use crossdock:core/poll@1.0.0.{poll-request};

            variant payment-status {
                requires-action, pending, authorised, partly-captured, captured, partly-refunded,
                refunded, declined, voided, expired, other(string),
            }
            record payment {
                id: string,
                company: string,
                references: list<reference>,
                occurred-at: timestamp,
                order: option<string>,
                status: payment-status,
                captured: money,
                expires-at: option<timestamp>,
            }
            record get-payment-input { company: string, payment: identity }
            variant get-payment-output { found(payment), unknown }
            record changed-payment { id: string, value: payment }
            record changed-payments {
                items: list<changed-payment>, next-cursor: option<string>, more: bool,
            }

            variant milestone-kind { picked, shipped, delivered, other(string) }
            record milestone {
                id: string,
                company: string,
                references: list<reference>,
                occurred-at: timestamp,
                order: string,
                shipment: option<string>,
                kind: milestone-kind,
            }
            record received-milestone { id: string, value: milestone }
            record milestones {
                items: list<received-milestone>, next-cursor: option<string>, more: bool,
            }

            variant invoice-trigger { shipment, delivery, order, other(string) }
            record order { id: string, invoice-trigger: invoice-trigger }
            record get-order-input { company: string, order: identity }
            variant get-order-output { found(order), unknown }
            record invoice { id: string, open: money }
            record get-invoice-input { company: string, invoice: identity }
            variant get-invoice-output { found(invoice), unknown }
            record list-order-invoices-input { company: string, order: identity }
            record list-order-invoices-output { invoices: list<invoice> }

            list-changed-payments: func(call: call, input: poll-request) -> result<changed-payments, fault>;
            get-payment: func(call: call, input: get-payment-input) -> result<get-payment-output, fault>;
            poll-shipment-milestones: func(call: call, input: poll-request) -> result<milestones, fault>;
            get-order: func(call: call, input: get-order-input) -> result<get-order-output, fault>;
            get-invoice: func(call: call, input: get-invoice-input) -> result<get-invoice-output, fault>;
            list-order-invoices: func(call: call, input: list-order-invoices-input) -> result<list-order-invoices-output, fault>;
        }

        world guest {
            include crossdock:core/guest@1.0.0;
            export books;
        }
    "#,
    path: "../../../wit/core/1.0.0",
    world: "acme:books/guest",
    generate_all,
});

use crossdock::core::poll::PollRequest;
use crossdock::core::types::{Money, Retry};
use exports::acme::books::books::*;
use exports::crossdock::core::connector::{
    Description, Effect, Guest as Connector, KeyHandling, Operation, UpstreamNeed,
};

const AT: &str = "2025-10-09T08:00:00Z";

struct Accounts;

/// The lines of an answer; none where the system knows nothing of it.
fn get(path: &str) -> Result<Option<Vec<String>>, Fault> {
    let broken = |message: String| Fault {
        retry: Retry::Later(None),
        code: "unreachable".into(),
        message,
        status: None,
    };
    let text = http::request(&format!("GET http://books/{path}"), "").map_err(broken)?;
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    match head.lines().next() {
        Some("200") => Ok(Some(body.lines().map(str::to_owned).collect())),
        Some("404") => Ok(None),
        other => Err(broken(format!("{other:?}"))),
    }
}

/// What came after the cursor, each line split into words, and the next cursor.
fn after(what: &str, input: &PollRequest) -> Result<(Vec<Vec<String>>, Option<String>), Fault> {
    let cursor: usize = input.cursor.as_deref().unwrap_or("0").parse().unwrap_or(0);
    let lines = get(&format!("{what}?after={cursor}"))?.unwrap_or_default();
    let words = |line: &String| line.split(' ').map(str::to_owned).collect();
    Ok((lines.iter().map(words).collect(), Some((cursor + lines.len()).to_string())))
}

fn usd(amount: &str) -> Money {
    Money { amount: amount.into(), currency: "USD".into() }
}

fn word(words: &[String], at: usize) -> String {
    words.get(at).cloned().unwrap_or_default()
}

/// `ID ORDER STATUS`; `-` is no order.
fn payment(words: &[String]) -> Payment {
    let order = Some(word(words, 1)).filter(|order| order != "-");
    let status = match word(words, 2).as_str() {
        "authorised" => PaymentStatus::Authorised,
        "captured" => PaymentStatus::Captured,
        "voided" => PaymentStatus::Voided,
        other => PaymentStatus::Other(other.to_owned()),
    };
    Payment {
        id: word(words, 0),
        company: "acme".into(),
        references: vec![],
        occurred_at: AT.into(),
        order,
        status,
        captured: usd("12.50"),
        expires_at: None,
    }
}

impl Guest for Accounts {
    fn list_changed_payments(_: Call, input: PollRequest) -> Result<ChangedPayments, Fault> {
        let (lines, next_cursor) = after("payments", &input)?;
        // Object and version.
        let item = |words: &Vec<String>| ChangedPayment {
            id: format!("{}/{}", word(words, 0), word(words, 3)),
            value: payment(words),
        };
        Ok(ChangedPayments { items: lines.iter().map(item).collect(), next_cursor, more: false })
    }

    fn get_payment(_: Call, input: GetPaymentInput) -> Result<GetPaymentOutput, Fault> {
        Ok(match get(&format!("payments/{}", input.payment.id))? {
            Some(lines) => {
                let words: Vec<String> =
                    lines.iter().flat_map(|line| line.split(' ')).map(str::to_owned).collect();
                GetPaymentOutput::Found(payment(&words))
            }
            None => GetPaymentOutput::Unknown,
        })
    }

    /// `ID ORDER SHIPMENT KIND`.
    fn poll_shipment_milestones(_: Call, input: PollRequest) -> Result<Milestones, Fault> {
        let (lines, next_cursor) = after("milestones", &input)?;
        let item = |words: &Vec<String>| ReceivedMilestone {
            id: word(words, 0),
            value: Milestone {
                id: word(words, 0),
                company: "acme".into(),
                references: vec![],
                occurred_at: AT.into(),
                order: word(words, 1),
                shipment: Some(word(words, 2)),
                kind: match word(words, 3).as_str() {
                    "shipped" => MilestoneKind::Shipped,
                    "delivered" => MilestoneKind::Delivered,
                    other => MilestoneKind::Other(other.to_owned()),
                },
            },
        };
        Ok(Milestones { items: lines.iter().map(item).collect(), next_cursor, more: false })
    }

    fn get_order(_: Call, input: GetOrderInput) -> Result<GetOrderOutput, Fault> {
        Ok(match get(&format!("orders/{}", input.order.id))? {
            Some(lines) => GetOrderOutput::Found(Order {
                id: input.order.id,
                invoice_trigger: match word(&lines, 0).as_str() {
                    "delivery" => InvoiceTrigger::Delivery,
                    _ => InvoiceTrigger::Shipment,
                },
            }),
            None => GetOrderOutput::Unknown,
        })
    }

    fn get_invoice(_: Call, input: GetInvoiceInput) -> Result<GetInvoiceOutput, Fault> {
        Ok(match get(&format!("invoices/{}", input.invoice.id))? {
            Some(lines) => GetInvoiceOutput::Found(Invoice {
                id: input.invoice.id,
                open: usd(&word(&lines, 0)),
            }),
            None => GetInvoiceOutput::Unknown,
        })
    }

    /// `ID OPEN`, a line each.
    fn list_order_invoices(
        _: Call,
        input: ListOrderInvoicesInput,
    ) -> Result<ListOrderInvoicesOutput, Fault> {
        let lines = get(&format!("invoices?order={}", input.order.id))?.unwrap_or_default();
        let invoice = |line: &String| {
            let (id, open) = line.split_once(' ').unwrap_or((line, "0"));
            Invoice { id: id.to_owned(), open: usd(open) }
        };
        Ok(ListOrderInvoicesOutput { invoices: lines.iter().map(invoice).collect() })
    }
}

impl Connector for Accounts {
    fn describe() -> Description {
        let query = |name: &str| Operation {
            name: name.into(),
            effect: Effect::Query,
            key: KeyHandling::None,
            settling_ms: 0,
            probe: None,
            undo: None,
        };
        Description {
            name: "books".into(),
            version: "1.0.0".into(),
            summary: "Reads the books of three systems.".into(),
            config_schema: String::new(),
            upstreams: vec![UpstreamNeed {
                name: "books".into(),
                purpose: "where the books are".into(),
                auth: vec![],
            }],
            operations: [
                "list-changed-payments",
                "get-payment",
                "poll-shipment-milestones",
                "get-order",
                "get-invoice",
                "list-order-invoices",
            ]
            .map(query)
            .to_vec(),
        }
    }
}

export!(Accounts);
