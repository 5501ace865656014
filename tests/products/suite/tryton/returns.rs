//! Goods that come back: Tryton's stock, and the money with it.

use product_suite::Connector;
use serde_json::{Value, json};

use super::books::{Books, mills, plainly};
use super::cash::{apply, receipt};
use super::invoices::invoice;
use super::sold::{fresh, line, order, place, ship, shipment};
use super::world::erp;

/// An order of ten gloves and two drills, shipped and invoiced; its id.
#[track_caller]
fn delivered(erp: &Connector) -> String {
    let id = fresh("O");
    let placed = place(
        erp,
        &order(
            &id,
            "C-2001",
            "USD",
            vec![line("1", "GLOVE-L", "10", "9.90"), line("2", "DRILL-18V", "2", "149.00")],
        ),
    );
    let lines = [("1", "GLOVE-L", "10"), ("2", "DRILL-18V", "2")];
    ship(erp, &id, &format!("{id}-S"), &lines);
    invoice(erp, &format!("{id}-I"), &placed, Some(&shipment(&format!("{id}-S"), &placed, &lines)));
    id
}

/// A return of so much of lines: (return line, order line, item, count).
fn goods_return(id: &str, order: &str, lines: &[(&str, &str, &str, &str)]) -> Value {
    json!({
        "id": id, "company": "crossdock", "references": [], "attributes": [], "version": 0,
        "occurred_at": "2026-11-10T10:00:00Z", "order": order, "status": "requested",
        "reason": "unwanted", "lines": return_lines(lines), "note": "zu groß – 大きすぎる",
    })
}

fn return_lines(lines: &[(&str, &str, &str, &str)]) -> Value {
    let lines = lines.iter().map(|(id, order_line, item, count)| {
        json!({
            "id": id, "order_line": order_line, "item": item,
            "quantity": {"value": count, "unit": "C62"}, "lots": [],
        })
    });
    lines.collect()
}

fn identity(id: &str) -> Value {
    json!({"goods_return": {"id": id, "references": []}, "lines": []})
}

/// Moves of a return sale, as (product, quantity, from, to, state).
fn stock_moves(books: &Books, id: &str) -> Vec<(String, f64, String, String, String)> {
    let fields = ["product.code", "quantity", "from_location.type", "to_location.type", "state"];
    let sale = books.one("sale.sale", json!([["reference", "=", id]]), &["shipment_returns"]);
    let domain = json!([
        "OR",
        [["origin.sale.reference", "=", id, "sale.line"]],
        [["shipment.id", "in", sale["shipment_returns"], "stock.shipment.out.return"]]
    ]);
    let moves = books.all("stock.move", domain, &fields);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    moves
        .iter()
        .map(|found| {
            (
                text(&found["product"]["code"]),
                found["quantity"].as_f64().unwrap_or_default(),
                text(&found["from_location"]["type"]),
                text(&found["to_location"]["type"]),
                text(&found["state"]),
            )
        })
        .collect()
}

#[test]
fn goods_come_back_to_stock_and_the_money_to_the_customer() {
    let (erp, books) = (erp(), Books::open());
    let order = delivered(&erp);
    let invoice = format!("{order}-I");
    apply(&erp, &receipt(&fresh("R"), "USD", &[(&invoice, "397.00")]));
    assert_eq!(books.invoice(&invoice)["state"], "paid");

    let id = fresh("RET");
    let asked = json!({"goods_return": goods_return(&id, &order, &[("a", "1", "GLOVE-L", "3")])});
    let probed = erp.call("probe-authorise-return", &asked).expect("an answer");
    assert_eq!(probed, "absent");
    let authorised = erp.call("authorise-return", &asked).expect("an answer");
    assert_eq!(authorised["outcome"], "authorised", "{authorised:#}");
    assert_eq!(authorised["goods_return"]["invoice"], invoice, "{authorised:#}");
    let probed = erp.call("probe-authorise-return", &asked).expect("an answer");
    assert!(probed["applied"].is_object(), "{probed:#}");
    let again = erp.call("authorise-return", &asked).expect("an answer");
    assert_eq!(again["goods_return"]["references"], authorised["goods_return"]["references"]);

    let probed = erp.call("probe-receive-return", &identity(&id)).expect("an answer");
    assert_eq!(probed, "absent");
    let received = erp.call("receive-return", &identity(&id)).expect("an answer");
    assert_eq!(received["outcome"], "received", "{received:#}");
    let back = &received["goods_return"];
    assert_eq!((&back["order"], &back["status"]), (&json!(order), &json!("received")));
    assert_eq!(
        (&back["lines"][0]["id"], &back["lines"][0]["order_line"]),
        (&json!("a"), &json!("1"))
    );
    assert_eq!(back["lines"][0]["quantity"]["value"], "3");
    let moves = stock_moves(&books, &id);
    assert!(
        moves.iter().all(|(_, count, .., state)| *count == 3.0 && state == "done"),
        "{moves:?}"
    );
    assert!(moves.iter().any(|(_, _, from, ..)| from == "customer"), "{moves:?}");
    assert!(moves.iter().any(|(_, _, _, to, _)| to == "storage"), "{moves:?}");
    let again = erp.call("receive-return", &identity(&id)).expect("an answer");
    assert_eq!(again["outcome"], "received", "{again:#}");
    assert_eq!(stock_moves(&books, &id), moves);
    let probed = erp.call("probe-receive-return", &identity(&id)).expect("an answer");
    assert!(probed["applied"].is_object(), "{probed:#}");

    let note = format!("{id}-C");
    let credited = erp.call(
        "credit-invoice",
        &json!({
            "invoice": {"id": invoice, "references": []}, "credit_note": note,
            "credits": [{"line": "1", "quantity": "3"}], "goods_return": id, "reason": "returned",
        }),
    );
    let credited = credited.expect("an answer");
    assert_eq!(mills(&credited["credit_note"]["total"]["amount"]), 29_700, "{credited:#}");
    let refund = fresh("R");
    let mut paid_back = receipt(&refund, "USD", &[(&note, "-29.70")]);
    paid_back["method"] = "card".into();
    paid_back["fees"] = json!([]);
    let applied = apply(&erp, &paid_back);
    assert_eq!(applied["outcome"], "applied", "{applied:#}");
    assert_eq!(books.invoice(&note)["state"], "paid");
    let entries = books.entries(&books.moves(&format!("{refund}/1"))[0]);
    assert_eq!(plainly(&entries), [("Card clearing", -29_700), ("Receivable", 29_700)]);
}

#[test]
fn less_may_come_than_was_announced_and_more_may_not() {
    let (erp, books) = (erp(), Books::open());
    let order = delivered(&erp);
    let id = fresh("RET");
    let lines = [("a", "1", "GLOVE-L", "5"), ("b", "2", "DRILL-18V", "1")];
    let asked = json!({"goods_return": goods_return(&id, &order, &lines)});
    assert_eq!(erp.call("authorise-return", &asked).expect("an answer")["outcome"], "authorised");
    let came = json!({
        "goods_return": {"id": id, "references": []},
        "lines": return_lines(&[("a", "1", "GLOVE-L", "4"), ("b", "2", "DRILL-18V", "0")]),
    });
    let received = erp.call("receive-return", &came).expect("an answer");
    assert_eq!(received["outcome"], "received", "{received:#}");
    let moves = stock_moves(&books, &id);
    assert!(moves.iter().all(|(item, count, ..)| item == "GLOVE-L" && *count == 4.0), "{moves:?}");

    let too_much = goods_return(&fresh("RET"), &order, &[("a", "2", "DRILL-18V", "3")]);
    let refused = erp.call("authorise-return", &json!({"goods_return": too_much}));
    let refused = refused.expect("an answer");
    assert_eq!(refused["outcome"]["refused"]["code"], "not-shipped", "{refused:#}");
}

#[test]
fn a_return_is_given_up_until_the_goods_are_here() {
    let erp = erp();
    let order = delivered(&erp);
    let id = fresh("RET");
    let asked = json!({"goods_return": goods_return(&id, &order, &[("a", "1", "GLOVE-L", "3")])});
    assert_eq!(erp.call("authorise-return", &asked).expect("an answer")["outcome"], "authorised");
    let given_up = json!({"goods_return": {"id": id, "references": []}});
    for _ in 0..2 {
        let cancelled = erp.call("cancel-return", &given_up).expect("an answer");
        assert_eq!(cancelled["outcome"], "cancelled");
    }
    // What was given up does not come back by being received.
    let received = erp.call("receive-return", &identity(&id)).expect("an answer");
    assert!(received["outcome"]["refused"].is_object(), "{received:#}");

    let id = fresh("RET");
    let asked = json!({"goods_return": goods_return(&id, &order, &[("a", "1", "GLOVE-L", "3")])});
    assert_eq!(erp.call("authorise-return", &asked).expect("an answer")["outcome"], "authorised");
    assert_eq!(
        erp.call("receive-return", &identity(&id)).expect("an answer")["outcome"],
        "received"
    );
    let late = json!({"goods_return": {"id": id, "references": []}});
    assert_eq!(erp.call("cancel-return", &late).expect("an answer")["outcome"], "too_late");

    let unknown = json!({"goods_return": {"id": "never", "references": []}});
    assert_eq!(erp.call("cancel-return", &unknown).expect("an answer")["outcome"], "unknown");
    assert_eq!(
        erp.call("receive-return", &identity("never")).expect("an answer")["outcome"],
        "unknown"
    );
}
