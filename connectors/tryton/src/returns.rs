//! Returns: a sale with negative quantities whose origin is the order's sale, as Tryton's own return
//! wizard makes it. Its reference is our id; received, its return shipment is done.

use std::collections::BTreeMap;

use crossdock_sdk::canonical::reference;
use crossdock_sdk::canonical::returns::{GoodsReturn, ReturnLine, ReturnStatus};
use crossdock_sdk::{Call, Decimal, Fault, Identity, Refusal, config, decimal};
use serde_json::json;

use crate::client::Tryton;
use crate::exports::crossdock::erp::returns::{
    AuthoriseReturnInput, AuthoriseReturnOutcome, AuthoriseReturnOutput, CancelReturnInput,
    CancelReturnOutcome, CancelReturnOutput, Guest, ReceiveReturnInput, ReceiveReturnOutcome,
    ReceiveReturnOutput,
};
use crate::exports::crossdock::erp::returns_probe::{
    self as probe, AuthoriseReturnState, ReceiveReturnState,
};
use crate::extra::{Extra, LineExtra};
use crate::invoice;
use crate::orders::refusal;
use crate::sale::{number, order_lines, shipped};
use crate::value::{self, Record};
use crate::{Connector, SYSTEM, canonical_unit};

const FIELDS: [&str; 17] = [
    "state",
    "reference",
    "origin",
    "party",
    "currency",
    "invoice_address",
    "shipment_address",
    "warehouse",
    "create_date",
    "write_date",
    "shipment_returns",
    "comment",
    "lines.sequence",
    "lines.product.code",
    "lines.quantity",
    "lines.unit.symbol",
    "lines.note",
];
const SHIPMENT: &str = "stock.shipment.out.return";

impl Guest for Connector {
    fn authorise_return(
        _call: Call,
        input: AuthoriseReturnInput,
    ) -> Result<AuthoriseReturnOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let asked = input.goods_return;
        let refuse = |asked: GoodsReturn, refusal| {
            let outcome = AuthoriseReturnOutcome::Refused(refusal);
            Ok(AuthoriseReturnOutput { outcome, goods_return: asked })
        };
        let mut sale = match find(&tryton, &asked.id)? {
            Some(sale) => sale,
            None => match create(&tryton, &asked)? {
                Ok(sale) => sale,
                Err(refusal) => return refuse(asked, refusal),
            },
        };
        if sale.state("state") == "draft" {
            sale = match tryton.act("sale.sale", sale.id(), "quote", &FIELDS)? {
                Ok(sale) => sale,
                Err(refused) => return refuse(asked, refused.into()),
            };
        }
        authorised(&tryton, &sale, asked)
    }

    fn receive_return(
        _call: Call,
        input: ReceiveReturnInput,
    ) -> Result<ReceiveReturnOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let Some(mut sale) = find_identity(&tryton, &input.goods_return)? else {
            let outcome = ReceiveReturnOutcome::Unknown;
            return Ok(ReceiveReturnOutput { outcome, goods_return: None });
        };
        let refuse = |refusal| {
            let outcome = ReceiveReturnOutcome::Refused(refusal);
            Ok(ReceiveReturnOutput { outcome, goods_return: None })
        };
        if sale.state("state") == "cancelled" {
            return refuse(refusal("cancelled", "the return was given up", vec![]));
        }
        let more = beyond_booked(&sale, &input.lines)?;
        if !more.is_empty() {
            let message = "Tryton has booked the return with less; enter another for the rest";
            return refuse(refusal("already-booked", message, more));
        }
        if let Some(changed) = announce(&tryton, &sale, &input.lines)? {
            match changed {
                Ok(changed) => sale = changed,
                Err(refusal) => return refuse(refusal),
            }
        }
        let decided = tryton.with_context("_skip_warnings", true.into());
        for (from, action) in
            [("draft", "quote"), ("quotation", "confirm"), ("confirmed", "process")]
        {
            if sale.state("state") != from {
                continue;
            }
            sale = match decided.act("sale.sale", sale.id(), action, &FIELDS)? {
                Ok(sale) => sale,
                Err(refused) => return refuse(refused.into()),
            };
        }
        for id in sale.ids("shipment_returns") {
            let Some(mut shipment) = tryton.read(SHIPMENT, id, &["state"])? else { continue };
            for (from, action) in [("draft", "receive"), ("received", "do")] {
                if shipment.state("state") != from {
                    continue;
                }
                shipment = match decided.act(SHIPMENT, id, action, &["state"])? {
                    Ok(shipment) => shipment,
                    Err(refused) => return refuse(refused.into()),
                };
            }
            if shipment.state("state") != "done" {
                let message = format!("return shipment {id} is {}", shipment.state("state"));
                return refuse(refusal("not-received", &message, vec![]));
            }
        }
        Ok(ReceiveReturnOutput {
            outcome: ReceiveReturnOutcome::Received,
            goods_return: Some(goods_return(&tryton, &sale, ReturnStatus::Received)?),
        })
    }

    fn cancel_return(_call: Call, input: CancelReturnInput) -> Result<CancelReturnOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let Some(mut sale) = find_identity(&tryton, &input.goods_return)? else {
            return Ok(CancelReturnOutput { outcome: CancelReturnOutcome::Unknown });
        };
        for (from, action) in [("confirmed", "draft"), ("draft", "cancel"), ("quotation", "cancel")]
        {
            if sale.state("state") == from {
                match tryton.act("sale.sale", sale.id(), action, &FIELDS)? {
                    Ok(now) => sale = now,
                    Err(_) => break,
                }
            }
        }
        let outcome = match sale.state("state") {
            "cancelled" => CancelReturnOutcome::Cancelled,
            _ => CancelReturnOutcome::TooLate,
        };
        Ok(CancelReturnOutput { outcome })
    }
}

impl probe::Guest for Connector {
    fn probe_authorise_return(
        _call: Call,
        input: AuthoriseReturnInput,
    ) -> Result<AuthoriseReturnState, Fault> {
        let tryton = Tryton::new(config::get()?);
        Ok(match find(&tryton, &input.goods_return.id)? {
            Some(sale) if sale.state("state") != "draft" => {
                AuthoriseReturnState::Applied(authorised(&tryton, &sale, input.goods_return)?)
            }
            _ => AuthoriseReturnState::Absent,
        })
    }

    fn probe_receive_return(
        _call: Call,
        input: ReceiveReturnInput,
    ) -> Result<ReceiveReturnState, Fault> {
        let tryton = Tryton::new(config::get()?);
        let Some(sale) = find_identity(&tryton, &input.goods_return)? else {
            return Ok(ReceiveReturnState::Absent);
        };
        let shipments = sale.ids("shipment_returns");
        let mut received = !shipments.is_empty();
        for id in shipments {
            let shipment = tryton.read(SHIPMENT, id, &["state"])?;
            received &= shipment.is_some_and(|shipment| shipment.state("state") == "done");
        }
        Ok(match received {
            true => ReceiveReturnState::Applied(ReceiveReturnOutput {
                outcome: ReceiveReturnOutcome::Received,
                goods_return: Some(goods_return(&tryton, &sale, ReturnStatus::Received)?),
            }),
            false => ReceiveReturnState::Absent,
        })
    }
}

fn find(tryton: &Tryton, id: &str) -> Result<Option<Record>, Fault> {
    let company = tryton.config.company_id;
    tryton.find("sale.sale", json!([["reference", "=", id], ["company", "=", company]]), &FIELDS)
}

fn find_identity(tryton: &Tryton, identity: &Identity) -> Result<Option<Record>, Fault> {
    match identity.id_in(SYSTEM, "goods-return").and_then(|id| id.parse().ok()) {
        Some(id) => tryton.read("sale.sale", id, &FIELDS),
        None => find(tryton, &identity.id),
    }
}

fn create(tryton: &Tryton, asked: &GoodsReturn) -> Result<Result<Record, Refusal>, Fault> {
    let Some(sale) = tryton.sale(&asked.order)? else {
        return Ok(Err(refusal("order-unknown", "Tryton knows no such order", vec![])));
    };
    let sold: BTreeMap<String, Record> = order_lines(&sale).into_iter().collect();
    let mut lines = Vec::new();
    for line in &asked.lines {
        let count = decimal::parse(&line.quantity.value)?;
        let of_order = sold.get(&line.order_line);
        let fits = of_order.is_some_and(|sold| count <= shipped(sold));
        let Some(of_order) = of_order.filter(|_| fits) else {
            let message = "more comes back than was shipped";
            return Ok(Err(refusal("not-shipped", message, vec![line.id.clone()])));
        };
        let extra = Extra {
            line: Some(LineExtra {
                id: format!("{}|{}", line.id, line.order_line),
                parent: None,
                tax_code: None,
                site: None,
                unit: line.quantity.unit.clone(),
                per: None,
            }),
            ..Extra::default()
        };
        lines.push(json!({
            "type": "line", "sequence": lines.len() + 1, "note": extra.write(),
            "product": of_order.many2one("product"), "unit": of_order.many2one("unit"),
            "quantity": number(&decimal::text(-count))?,
            "unit_price": value::decimal(of_order.decimal_or_zero("unit_price")),
        }));
    }
    let head = ["party", "currency", "invoice_address", "shipment_address", "warehouse"];
    let Some(original) = tryton.read("sale.sale", sale.id(), &head)? else {
        return Ok(Err(refusal("order-unknown", "Tryton knows no such order", vec![])));
    };
    let mut values = json!({
        "company": tryton.config.company_id, "reference": asked.id,
        "origin": format!("sale.sale,{}", sale.id()),
        "description": asked.order, "comment": asked.note,
        "sale_date": value::date(&asked.occurred_at),
        "invoice_method": "manual", "shipment_method": "order",
        "lines": [["create", lines]],
    });
    for field in head {
        values[field] = original.many2one(field).into();
    }
    Ok(tryton.create("sale.sale", &values, &FIELDS)?.map_err(Refusal::from))
}

/// What came, where it differs from what was announced. Nothing to do once Tryton is under way.
fn announce(
    tryton: &Tryton,
    sale: &Record,
    came: &[ReturnLine],
) -> Result<Option<Result<Record, Refusal>>, Fault> {
    if came.is_empty() || !matches!(sale.state("state"), "draft" | "quotation") {
        return Ok(None);
    }
    let mut changes = Vec::new();
    for line in sale.records("lines") {
        let (id, _) = ids(&line);
        let count = match came.iter().find(|came| came.id == id) {
            Some(came) => decimal::parse(&came.quantity.value)?,
            None => continue,
        };
        if line.decimal("quantity") != Some(-count) {
            let quantity = number(&decimal::text(-count))?;
            changes.push(json!(["write", [line.id()], {"quantity": quantity}]));
        }
    }
    if changes.is_empty() {
        return Ok(None);
    }
    if sale.state("state") == "quotation"
        && let Err(refused) = tryton.act("sale.sale", sale.id(), "draft", &FIELDS)?
    {
        return Ok(Some(Err(refused.into())));
    }
    let changed = tryton.update("sale.sale", sale.id(), &json!({"lines": changes}), &FIELDS)?;
    Ok(Some(changed.map_err(Refusal::from)))
}

/// Lines of which more came than Tryton has booked: once it is under way, their quantities stand.
fn beyond_booked(sale: &Record, came: &[ReturnLine]) -> Result<Vec<String>, Fault> {
    if matches!(sale.state("state"), "draft" | "quotation") {
        return Ok(Vec::new());
    }
    let lines = sale.records("lines");
    let mut beyond = Vec::new();
    for came in came {
        let booked = lines.iter().find(|line| ids(line).0 == came.id);
        let booked = booked.map_or(Decimal::ZERO, |line| -line.decimal_or_zero("quantity"));
        if decimal::parse(&came.quantity.value)? > booked {
            beyond.push(came.id.clone());
        }
    }
    Ok(beyond)
}

/// Return line and order line, as `create` wrote them down.
fn ids(line: &Record) -> (String, String) {
    let id = Extra::read(line).line.map(|extra| extra.id).unwrap_or_default();
    match id.split_once('|') {
        Some((line, order_line)) => (line.to_owned(), order_line.to_owned()),
        None => (line.id().to_string(), String::new()),
    }
}

fn authorised(
    tryton: &Tryton,
    sale: &Record,
    asked: GoodsReturn,
) -> Result<AuthoriseReturnOutput, Fault> {
    let read = goods_return(tryton, sale, ReturnStatus::Authorised)?;
    let invoice = match &asked.invoice {
        Some(invoice) => Some(invoice.clone()),
        None => read.invoice,
    };
    let goods_return = GoodsReturn {
        references: read.references,
        version: read.version,
        occurred_at: read.occurred_at,
        status: ReturnStatus::Authorised,
        invoice,
        ..asked
    };
    Ok(AuthoriseReturnOutput { outcome: AuthoriseReturnOutcome::Authorised, goods_return })
}

fn goods_return(
    tryton: &Tryton,
    sale: &Record,
    status: ReturnStatus,
) -> Result<GoodsReturn, Fault> {
    // `create` noted the order in the description of the return.
    let origin = sale.state("origin").strip_prefix("sale.sale,").and_then(|id| id.parse().ok());
    let original = match origin {
        Some(id) => tryton.read("sale.sale", id, &["reference"])?,
        None => None,
    };
    let order = original.and_then(|original| original.text("reference")).unwrap_or_default();
    let posted = |record: &Record| {
        !invoice::is_credit_note(record) && matches!(record.state("state"), "posted" | "paid")
    };
    let invoices = tryton.invoices_of_order(&order)?;
    let lines = sale.records("lines").into_iter().map(|line| {
        let (id, order_line) = ids(&line);
        ReturnLine {
            id,
            order_line,
            item: line.text("product.code").unwrap_or_default(),
            quantity: crossdock_sdk::canonical::quantity(
                -line.decimal_or_zero("quantity"),
                canonical_unit(line.state("unit.symbol")),
            ),
            condition: None,
            lots: Vec::new(),
        }
    });
    Ok(GoodsReturn {
        id: sale.text("reference").unwrap_or_default(),
        company: tryton.config.company.clone(),
        references: vec![
            reference(SYSTEM, "goods-return", sale.id().to_string()),
            reference("crossdock", "order", &order),
        ],
        attributes: Vec::new(),
        version: sale.version(),
        occurred_at: sale.changed_at().unwrap_or_default(),
        invoice: invoices.iter().find(|record| posted(record)).map(invoice::id),
        order,
        shipment: None,
        status,
        reason: crossdock_sdk::canonical::returns::ReturnReason::Other("not noted".into()),
        site: None,
        lines: lines.collect(),
        note: sale.text("comment"),
    })
}
