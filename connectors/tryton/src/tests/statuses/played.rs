//! Tryton, played over records: REST, its actions, and the wizards by JSON-RPC; and how it refuses.
//! Bodies are as Tryton 8.0.12 wrote them.

use super::*;

/// `GET sale.sale`, `POST sale.sale/{id}/quote`, `RPC wizard.account.invoice.pay/choice`.
pub(super) fn name(seen: &Seen) -> String {
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

pub(super) fn parts(seen: &Seen) -> (&str, &str, Option<&str>, Option<&str>) {
    let (method, url) = seen.request.split_once(' ').expect("method and address");
    let path = url.split_once("/rest/model/").expect("a model").1;
    let mut parts = path.split('?').next().unwrap_or_default().split('/');
    (method, parts.next().unwrap_or_default(), parts.next(), parts.next())
}

/// The records of one play, by model; an action moves their state.
pub(super) type Records = BTreeMap<&'static str, Vec<Value>>;

pub(super) fn tryton(mut records: Records) {
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

pub(super) const MODELS: [&str; 10] = [
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

pub(super) fn domain(seen: &Seen) -> Value {
    let text = seen.request.split("d=").nth(1).unwrap_or_default();
    let text = text.split('&').next().unwrap_or_default().replace("%3D", "=");
    serde_json::from_slice(&URL_SAFE.decode(text).expect("base64")).expect("a domain")
}

/// Records that no clause contradicts: what a record does not say fits. A model without records has
/// one that fits all.
pub(super) fn found(known: &[Value], domain: &Value) -> Vec<Value> {
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

pub(super) fn moved(known: &mut [Value], id: i64, action: &str) {
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

pub(super) fn rpc(body: &Value, records: &mut Records) -> Value {
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

pub(super) fn amount(text: &str) -> Value {
    json!({"__class__": "Decimal", "decimal": text})
}

pub(super) fn created(model: &str) -> Value {
    match model {
        "sale.sale" => sale("draft"),
        "account.invoice" => invoice_in("draft"),
        "account.move" => json!({"id": 8, "state": "draft", "description": "R-1", "lines": []}),
        _ => json!({"id": 1}),
    }
}

pub(super) fn sale(state: &str) -> Value {
    let mut sale = sale_of(&order(), state);
    sale["shipments"] = json!([6]);
    sale["lines"][0]["moves"] = json!([{"id": 1, "quantity": 0.0, "state": "draft"}]);
    sale
}

pub(super) fn invoice_in(state: &str) -> Value {
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

pub(super) fn goods_back(state: &str) -> Value {
    let mut back = sale(state);
    back["id"] = 9.into();
    back["reference"] = "RET-1".into();
    back["origin"] = "sale.sale,4".into();
    back["shipment_returns"] = json!([7]);
    back["lines"] = json!([]);
    back
}

/// Customer, item and unit, and what a test adds.
pub(super) fn world(more: &[(&'static str, Value)]) -> Records {
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

/// Rules of Tryton refuse with a document, all else with a page of its server.
pub(super) fn refusal(status: u16) -> (&'static str, String) {
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
pub(super) fn own() -> Vec<Failing> {
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
