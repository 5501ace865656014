//! Invoices and credit notes in Tryton's books.

use product_suite::Connector;
use serde_json::{Value, json};

use super::books::{Books, mills, plainly};
use super::sold::{fresh, line, money, order, party, place, ship, shipment};
use super::world::erp;

/// What `preview-invoice` works out, posted without tax.
#[track_caller]
pub fn invoice(erp: &Connector, id: &str, order: &Value, shipment: Option<&Value>) -> Value {
    let asked = json!({"id": id, "order": order, "shipment": shipment});
    let draft = erp.call("preview-invoice", &asked).expect("an answer");
    assert_eq!(draft["outcome"], "draft", "{draft:#}");
    post(erp, &draft["invoice"], None)
}

#[track_caller]
fn post(erp: &Connector, invoice: &Value, tax: Option<&Value>) -> Value {
    let posted = erp.call("post-invoice", &json!({"invoice": invoice, "tax": tax}));
    let posted = posted.expect("an answer");
    assert_eq!(posted["outcome"], "posted", "{posted:#}");
    posted["invoice"].clone()
}

/// A tax document of one rate on the invoice's first line.
fn tax(invoice: &Value, name: &str, rate: &str, taxable: &str, amount: &str) -> Value {
    let currency = invoice["currency"].as_str().expect("a currency");
    let net = invoice["net"].clone();
    json!({
        "id": invoice["id"], "company": "crossdock", "references": [], "attributes": [],
        "version": 1, "occurred_at": "2026-11-02T12:00:00Z", "status": "recorded", "kind": "invoice",
        "issued_on": invoice["issued_on"], "net": net, "tax": money(amount, currency),
        "total": money("0", currency),
        "lines": [{
            "line": invoice["lines"][0]["id"], "jurisdiction": "36", "level": "state",
            "name": name, "rate": rate, "taxable": money(taxable, currency),
            "exempt": money("0", currency), "amount": money(amount, currency),
        }],
    })
}

#[test]
fn each_of_two_shipments_has_its_invoice_once() {
    let (erp, books) = (erp(), Books::open());
    let id = fresh("O");
    let mut asked = order(
        &id,
        "C-1001",
        "USD",
        vec![line("1", "DRILL-18V", "3", "149.00"), line("2", "GLOVE-L", "10", "9.90")],
    );
    asked["lines"][0]["discounts"] =
        json!([{"description": "Spring", "amount": money("9.00", "USD")}]);
    asked["charges"] = json!([{
        "id": "f", "kind": "freight", "description": "Freight", "amount": money("12.00", "USD"),
    }]);
    let placed = place(&erp, &asked);

    let (first, second) = (format!("{id}-S1"), format!("{id}-S2"));
    let lines = [("1", "DRILL-18V", "1"), ("2", "GLOVE-L", "10")];
    ship(&erp, &id, &first, &lines);
    let one = invoice(&erp, &first, &placed, Some(&shipment(&first, &placed, &lines)));
    assert_eq!(mills(&one["total"]["amount"]), 257_000, "149 - 3 + 99 + 12: {one:#}");
    assert_eq!(one["status"], "posted");
    assert_eq!(one["references"][0]["system"], "tryton");

    ship(&erp, &id, &second, &[("1", "DRILL-18V", "3")]);
    let left = [("1", "DRILL-18V", "2")];
    let two = invoice(&erp, &second, &placed, Some(&shipment(&second, &placed, &left)));
    assert_eq!(mills(&two["total"]["amount"]), 292_000, "298 - 6, no freight: {two:#}");

    // The same again is the same invoice: Tryton has one under each id.
    let again = invoice_again(&erp, &first, &placed);
    assert_eq!((&again["number"], &again["total"]), (&one["number"], &one["total"]));

    let booked = books.invoice(&first);
    assert_eq!((&booked["state"], &booked["description"]), (&json!("posted"), &json!(id)));
    assert_eq!(mills(&booked["amount_to_pay"]), 257_000);
    let entries = books.entries(&booked["move"]);
    assert_eq!(
        plainly(&entries),
        [
            ("Receivable", 257_000),
            ("Revenue", -149_000),
            ("Revenue", -99_000),
            ("Revenue", -12_000),
            ("Revenue", 3_000),
        ]
    );
    // Tryton itself sees what of the sale is invoiced.
    let sale = books.one(
        "sale.sale",
        json!([["reference", "=", id]]),
        &["state", "invoice_state", "shipment_state"],
    );
    assert_eq!(sale["shipment_state"], "sent", "{sale:#}");
    let lines = books.all(
        "sale.line",
        json!([["sale.reference", "=", id], ["product", "!=", null]]),
        &["quantity", "invoice_lines"],
    );
    assert_eq!(lines[0]["invoice_lines"].as_array().map(Vec::len), Some(2), "{lines:#?}");

    let listed = erp.call(
        "list-order-invoices",
        &json!({
            "company": "crossdock", "order": {"id": id, "references": []},
        }),
    );
    let listed = listed.expect("an answer");
    let ids: Vec<_> =
        listed["invoices"].as_array().expect("a list").iter().map(|i| &i["id"]).collect();
    assert_eq!(ids, [&json!(first), &json!(second)]);
}

#[track_caller]
fn invoice_again(erp: &Connector, id: &str, order: &Value) -> Value {
    let asked = json!({"id": id, "order": order});
    let known = erp.call("preview-invoice", &asked).expect("an answer");
    assert_eq!(known["outcome"], "posted", "{known:#}");
    post(erp, &known["invoice"], None)
}

#[test]
fn the_tax_of_the_tax_service_is_booked_as_it_is() {
    let (erp, books) = (erp(), Books::open());
    let id = fresh("O");
    let placed =
        place(&erp, &order(&id, "C-1001", "USD", vec![line("1", "DRILL-18V", "1", "149.00")]));
    let asked = json!({"id": format!("{id}-I"), "order": placed});
    let draft = erp.call("preview-invoice", &asked).expect("an answer");
    let tax = tax(&draft["invoice"], "NY STATE TAX", "8.875", "149.00", "13.22");
    let input = json!({"invoice": draft["invoice"], "tax": tax});
    let absent = erp.call("probe-post-invoice", &input).expect("an answer");
    assert_eq!(absent, "absent");

    let posted = post(&erp, &draft["invoice"], Some(&tax));
    assert_eq!(mills(&posted["tax"]["amount"]), 13_220, "{posted:#}");
    assert_eq!(mills(&posted["total"]["amount"]), 162_220);
    let booked = books.invoice(&format!("{id}-I"));
    let entries = books.entries(&booked["move"]);
    assert_eq!(
        plainly(&entries),
        [("Receivable", 162_220), ("Revenue", -149_000), ("Tax", -13_220)]
    );
    let probed = erp.call("probe-post-invoice", &input).expect("an answer");
    assert_eq!(probed["applied"]["invoice"]["number"], booked["number"], "{probed:#}");
}

#[test]
fn currencies_keep_their_decimals() {
    let (erp, books) = (erp(), Books::open());
    // Price, total in the order's currency and in the ledger's, all in mills.
    for (currency, price, total) in
        [("EUR", "99.99", 299_970), ("JPY", "1500", 4_500_000), ("KWD", "12.345", 37_035)]
    {
        let id = fresh(currency);
        let lines = vec![line("1", "DRILL-18V", "3", price)];
        let placed = place(&erp, &order(&id, "C-1004", currency, lines));
        let posted = invoice(&erp, &format!("{id}-I"), &placed, None);
        assert_eq!(mills(&posted["total"]["amount"]), total, "{posted:#}");
        let booked = books.invoice(&format!("{id}-I"));
        assert_eq!(mills(&booked["total_amount"]), total);
        let entries = books.entries(&booked["move"]);
        assert_eq!(entries[0].account, "Receivable");
        assert_eq!(entries[0].in_second_currency, Some(total), "{entries:#?}");
        let found = erp.call(
            "get-invoice",
            &json!({
                "company": "crossdock", "invoice": {"id": format!("{id}-I"), "references": []},
            }),
        );
        let found = found.expect("an answer");
        assert_eq!(found["found"]["open"], found["found"]["total"], "{found:#}");
        assert_eq!(found["found"]["currency"], currency);
    }
}

#[test]
fn what_is_free_of_charge_and_what_is_taken_off_is_invoiced() {
    let (erp, books) = (erp(), Books::open());
    let id = fresh("O");
    let mut asked = order(
        &id,
        "C-1001",
        "USD",
        vec![line("1", "GLOVE-L", "1", "0"), line("2", "DRILL-18V", "1", "149.00")],
    );
    asked["charges"] = json!([{
        "id": "c", "kind": {"other": "credit for packaging"}, "amount": money("-5.00", "USD"),
    }]);
    let placed = place(&erp, &asked);
    let posted = invoice(&erp, &format!("{id}-I"), &placed, None);
    assert_eq!(mills(&posted["total"]["amount"]), 144_000, "{posted:#}");
    let entries = books.entries(&books.invoice(&format!("{id}-I"))["move"]);
    assert_eq!(entries[0].amount, 144_000);

    // An invoice of nothing is paid as soon as it is posted.
    let id = fresh("O");
    let placed = place(&erp, &order(&id, "C-1001", "USD", vec![line("1", "GLOVE-L", "1", "0")]));
    let posted = invoice(&erp, &format!("{id}-I"), &placed, None);
    assert_eq!(posted["status"], "paid", "{posted:#}");
}

#[test]
fn words_of_any_script_and_length_come_back() {
    let erp = erp();
    let id = format!("{}-Ünïcödé-発注-{}", fresh("O"), "x".repeat(200));
    let words = format!("Bohrmaschine „18 V“ – 電動ドリル 🛠 {}", "sehr lang ".repeat(200));
    let mut asked = order(&id, "C-1001", "USD", vec![line("1", "DRILL-18V", "1", "149.00")]);
    asked["lines"][0]["description"] = words.trim().into();
    let placed = place(&erp, &asked);
    let posted = invoice(&erp, &format!("{id}-I"), &placed, None);
    assert_eq!(posted["order"], id);
    let found = erp.call(
        "get-invoice",
        &json!({
            "company": "crossdock", "invoice": {"id": format!("{id}-I"), "references": []},
        }),
    );
    let found = found.expect("an answer");
    assert_eq!(found["found"]["lines"][0]["description"], words.trim(), "{found:#}");
    assert_eq!(found["found"]["order"], id);
}

#[test]
fn a_feed_tells_of_each_invoice_over_many_pages() {
    let erp = erp();
    let from = cursor_of_the_end(&erp);
    let mut ids = Vec::new();
    for _ in 0..5 {
        let id = fresh("O");
        let lines = vec![line("1", "GLOVE-L", "1", "9.90")];
        let placed = place(&erp, &order(&id, "C-1001", "USD", lines));
        let posted = invoice(&erp, &format!("{id}-I"), &placed, None);
        ids.push(posted["id"].clone());
    }
    let mut told = Vec::new();
    let mut cursor = from;
    loop {
        let page = erp.call("list-changed-invoices", &json!({"cursor": cursor, "limit": 2}));
        let page = page.expect("an answer");
        let items = page["items"].as_array().expect("a list");
        told.extend(items.iter().map(|item| item["value"]["id"].clone()));
        if page["next_cursor"].is_string() {
            cursor = page["next_cursor"].clone();
        }
        if page["more"] != true {
            break;
        }
        assert!(items.len() <= 2, "{page:#}");
    }
    told.retain(|id| ids.contains(id));
    assert_eq!(told, ids, "each once, oldest change first");
}

fn cursor_of_the_end(erp: &Connector) -> Value {
    let mut cursor = Value::Null;
    loop {
        let page = erp.call("list-changed-invoices", &json!({"cursor": cursor, "limit": 200}));
        let page = page.expect("an answer");
        if page["next_cursor"].is_string() {
            cursor = page["next_cursor"].clone();
        }
        if page["more"] != true {
            return cursor;
        }
    }
}

#[test]
fn a_credit_note_takes_lines_or_all_back() {
    let (erp, books) = (erp(), Books::open());
    let id = fresh("O");
    let placed = place(
        &erp,
        &order(
            &id,
            "C-1001",
            "USD",
            vec![line("1", "DRILL-18V", "2", "149.00"), line("2", "GLOVE-L", "10", "9.90")],
        ),
    );
    let asked = json!({"id": format!("{id}-I"), "order": placed});
    let draft = erp.call("preview-invoice", &asked).expect("an answer");
    let tax = tax(&draft["invoice"], "NY STATE TAX", "10", "397.00", "39.70");
    let posted = post(&erp, &draft["invoice"], Some(&tax));

    let part = json!({
        "invoice": {"id": posted["id"], "references": []}, "credit_note": format!("{id}-C1"),
        "credits": [{"line": "1", "quantity": "1"}], "goods_return": "R-1", "reason": "returned",
    });
    let absent = erp.call("probe-credit-invoice", &part).expect("an answer");
    assert_eq!(absent, "absent");
    let credited = erp.call("credit-invoice", &part).expect("an answer");
    assert_eq!(credited["outcome"], "credited", "{credited:#}");
    let note = &credited["credit_note"];
    assert_eq!(mills(&note["net"]["amount"]), 149_000, "{note:#}");
    assert_eq!(mills(&note["tax"]["amount"]), 14_900);
    assert_eq!((&note["goods_return"], &note["reason"]), (&json!("R-1"), &json!("returned")));
    let again = erp.call("credit-invoice", &part).expect("an answer");
    assert_eq!(again["credit_note"]["number"], note["number"], "{again:#}");
    let probed = erp.call("probe-credit-invoice", &part).expect("an answer");
    assert_eq!(probed["applied"]["credit_note"]["number"], note["number"], "{probed:#}");

    let booked = books.invoice(&format!("{id}-C1"));
    assert_eq!(mills(&booked["total_amount"]), -163_900);
    let entries = books.entries(&booked["move"]);
    assert_eq!(
        plainly(&entries),
        [("Receivable", -163_900), ("Revenue", 149_000), ("Tax", 14_900)]
    );

    let found = erp.call(
        "get-credit-note",
        &json!({
            "company": "crossdock", "credit_note": {"id": format!("{id}-C1"), "references": []},
        }),
    );
    let found = found.expect("an answer");
    assert_eq!(found["found"]["original"], posted["id"], "{found:#}");

    // More than what is left of the line is refused, and the whole of what is left is not.
    let too_much = json!({
        "invoice": {"id": posted["id"], "references": []}, "credit_note": format!("{id}-C2"),
        "credits": [{"line": "1", "quantity": "3"}],
    });
    let refused = erp.call("credit-invoice", &too_much).expect("an answer");
    assert_eq!(refused["outcome"]["refused"]["code"], "too-much", "{refused:#}");
    let unknown = json!({"invoice": {"id": "never", "references": []}});
    let unknown = erp.call("credit-invoice", &unknown).expect("an answer");
    assert_eq!(unknown["outcome"], "unknown");
}

#[test]
fn an_order_that_tryton_does_not_know_is_not_invoiced() {
    let erp = erp();
    let id = fresh("O");
    let unplaced = order(&id, "C-1001", "USD", vec![line("1", "GLOVE-L", "1", "9.90")]);
    let draft = erp.call("preview-invoice", &json!({"id": format!("{id}-I"), "order": unplaced}));
    let draft = draft.expect("an answer");
    let posted = erp.call("post-invoice", &json!({"invoice": draft["invoice"]}));
    let posted = posted.expect("an answer");
    assert_eq!(posted["outcome"]["refused"]["code"], "order-unknown", "{posted:#}");
    let unknown = json!({"company": "crossdock", "invoice": {"id": "never", "references": []}});
    assert_eq!(erp.call("get-invoice", &unknown).expect("an answer"), "unknown");
    let _ = party("C-1001");
}
