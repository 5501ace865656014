//! Cash in Tryton's books: what is set against an invoice, what stays, what is taken back.

use product_suite::Connector;
use serde_json::{Value, json};

use super::books::{Books, Entry, mills, plainly};
use super::invoices::invoice;
use super::sold::{fresh, line, money, order, place};
use super::world::erp;

/// An invoice of one line of this price; its id.
#[track_caller]
fn owed(erp: &Connector, customer: &str, currency: &str, price: &str) -> String {
    let id = fresh("O");
    let lines = vec![line("1", "DRILL-18V", "1", price)];
    let placed = place(erp, &order(&id, customer, currency, lines));
    let invoice_id = format!("{id}-I");
    invoice(erp, &invoice_id, &placed, None);
    invoice_id
}

/// A receipt by bank of these lines: (invoice, amount).
pub fn receipt(id: &str, currency: &str, lines: &[(&str, &str)]) -> Value {
    let total: i64 = lines.iter().map(|(_, amount)| mills(&json!(amount))).sum();
    let lines: Vec<Value> = lines
        .iter()
        .enumerate()
        .map(|(at, (invoice, amount))| {
            json!({
                "id": (at + 1).to_string(), "invoice": invoice, "references": [],
                "amount": money(amount, currency), "deductions": [],
            })
        })
        .collect();
    json!({
        "id": id, "company": "crossdock", "references": [], "attributes": [], "version": 1,
        "occurred_at": "2026-11-03T10:00:00Z", "status": "received", "payer": "C-1001",
        "method": "bank_transfer", "received_on": "2026-11-03", "currency": currency,
        "amount": money(&thousandths(total), currency), "fees": [], "lines": lines,
    })
}

fn thousandths(mills: i64) -> String {
    let sign = if mills < 0 { "-" } else { "" };
    format!("{sign}{}.{:03}", mills.abs() / 1000, mills.abs() % 1000)
}

#[track_caller]
pub fn apply(erp: &Connector, receipt: &Value) -> Value {
    erp.call("apply-receipt", &json!({"receipt": receipt})).expect("an answer")
}

#[track_caller]
fn payment(books: &Books, name: &str) -> Vec<Entry> {
    let moves = books.moves(name);
    assert_eq!(moves.len(), 1, "moves named {name}");
    books.entries(&moves[0])
}

#[test]
fn partial_payments_add_up_and_the_last_one_closes() {
    let (erp, books) = (erp(), Books::open());
    let invoice = owed(&erp, "C-1001", "USD", "149.00");
    let first = fresh("R");
    let asked = receipt(&first, "USD", &[(&invoice, "49.00")]);
    let absent = erp.call("probe-apply-receipt", &json!({"receipt": asked})).expect("an answer");
    assert_eq!(absent, "absent");
    let part = apply(&erp, &asked);
    assert_eq!(part["outcome"], "applied", "{part:#}");
    assert_eq!(mills(&part["applications"][0]["amount"]["amount"]), 49_000);
    assert_eq!(mills(&part["applications"][0]["open"]["amount"]), 100_000, "{part:#}");
    let booked = books.invoice(&invoice);
    assert_eq!((&booked["state"], mills(&booked["amount_to_pay"])), (&json!("posted"), 100_000));
    let read = erp.call(
        "get-invoice",
        &json!({
            "company": "crossdock", "invoice": {"id": invoice, "references": []},
        }),
    );
    assert_eq!(read.expect("an answer")["found"]["status"], "partly_paid");

    // The same receipt again books nothing more.
    let again = apply(&erp, &asked);
    assert_eq!(again["applications"], part["applications"], "{again:#}");
    let entries = payment(&books, &format!("{first}/1"));
    assert_eq!(plainly(&entries), [("Bank", 49_000), ("Receivable", -49_000)]);
    let probed = erp.call("probe-apply-receipt", &json!({"receipt": asked})).expect("an answer");
    assert_eq!(probed["applied"]["applications"], part["applications"], "{probed:#}");

    let second = fresh("R");
    let rest = apply(&erp, &receipt(&second, "USD", &[(&invoice, "100.00")]));
    assert_eq!(mills(&rest["applications"][0]["open"]["amount"]), 0, "{rest:#}");
    assert_eq!(books.invoice(&invoice)["state"], "paid");
    let reconciled = |name: &str| {
        let entries = payment(&books, name);
        entries.into_iter().find(|entry| entry.account == "Receivable").map(|e| e.reconciled)
    };
    assert_eq!(reconciled(&format!("{first}/1")), Some(true));
    assert_eq!(reconciled(&format!("{second}/1")), Some(true));
}

#[test]
fn what_is_too_much_stays_on_the_customer() {
    let (erp, books) = (erp(), Books::open());
    let invoice = owed(&erp, "C-1001", "USD", "149.00");
    let id = fresh("R");
    let asked = receipt(&id, "USD", &[(&invoice, "150.00"), ("no such invoice", "20.00")]);
    let applied = apply(&erp, &asked);
    assert_eq!(applied["outcome"], "partly_applied", "{applied:#}");
    assert_eq!(applied["unmatched"], json!(["2"]));
    assert_eq!(mills(&applied["unapplied"]["amount"]), 21_000);
    assert_eq!(books.invoice(&invoice)["state"], "paid");
    let again = apply(&erp, &asked);
    assert_eq!(mills(&again["unapplied"]["amount"]), 21_000, "{again:#}");
    assert_eq!(again["applications"], applied["applications"]);
    // All of it is on the bank account, and what no invoice takes is the customer's.
    let entries = payment(&books, &format!("{id}/1"));
    assert_eq!(
        plainly(&entries),
        [("Bank", 150_000), ("Receivable", -149_000), ("Receivable", -1_000)]
    );
    let entries = payment(&books, &format!("{id}/2"));
    assert_eq!(plainly(&entries), [("Bank", 20_000), ("Receivable", -20_000)]);
    let probed = erp.call("probe-apply-receipt", &json!({"receipt": asked})).expect("an answer");
    assert_eq!(probed["applied"]["unmatched"], json!(["2"]), "{probed:#}");
}

#[test]
fn what_a_payer_takes_off_is_written_off() {
    let (erp, books) = (erp(), Books::open());
    for (field, kept, account) in [
        ("discount", json!(money("2.98", "USD")), "Discounts"),
        ("deductions", json!([{"reason": "damage", "amount": money("2.98", "USD")}]), "Write-off"),
        ("write_off", json!(money("2.98", "USD")), "Write-off"),
    ] {
        let invoice = owed(&erp, "C-1001", "USD", "149.00");
        let id = fresh("R");
        let mut asked = receipt(&id, "USD", &[(&invoice, "146.02")]);
        asked["lines"][0][field] = kept.clone();
        let applied = apply(&erp, &asked);
        assert_eq!(applied["outcome"], "applied", "{applied:#}");
        assert_eq!(applied["applications"][0][field], kept);
        let booked = books.invoice(&invoice);
        assert_eq!(booked["state"], "paid", "{field}: {booked:#}");
        let entries = payment(&books, &format!("{id}/1"));
        assert_eq!(plainly(&entries), [("Bank", 146_020), ("Receivable", -146_020)]);
        let again = apply(&erp, &asked);
        assert_eq!(again["applications"], applied["applications"], "{field}: {again:#}");

        // What closed it beside the payment lies on the account for such.
        let domain = json!([["move", "=", booked["move"]], ["account.name", "=", "Receivable"]]);
        let line = books.one("account.move.line", domain, &["reconciliation"]);
        let domain = json!([["reconciliation", "=", line["reconciliation"]]]);
        let closing = books.all("account.move.line", domain, &["move", "credit"]);
        let written_off = closing.iter().find(|line| mills(&line["credit"]) == 2_980);
        let written_off = written_off.unwrap_or_else(|| panic!("{closing:#?}"));
        let entries = books.entries(&written_off["move"]);
        let mut expect = [(account, 2_980), ("Receivable", -2_980)];
        expect.sort_unstable();
        assert_eq!(plainly(&entries), expect);

        // Taken back, all of it is open again, and so it closes once more.
        let back = json!({"receipt": {"id": id, "references": []}});
        let taken = erp.call("unapply-receipt", &back).expect("an answer");
        assert_eq!(taken["outcome"], "unapplied", "{field}: {taken:#}");
        assert_eq!(mills(&books.invoice(&invoice)["amount_to_pay"]), 149_000, "{field}");
        let again = apply(&erp, &asked);
        assert_eq!(again["applications"], applied["applications"], "{field}: {again:#}");
        assert_eq!(books.invoice(&invoice)["state"], "paid", "{field}");
    }
}

#[test]
fn a_payout_of_cards_goes_over_the_clearing_account() {
    let (erp, books) = (erp(), Books::open());
    let (one, two) = (owed(&erp, "C-2001", "USD", "100.00"), owed(&erp, "C-2001", "USD", "50.00"));
    let id = fresh("PO");
    let mut asked = receipt(&id, "USD", &[(&one, "100.00"), (&two, "50.00")]);
    asked["method"] = "card".into();
    asked["amount"] = money("145.35", "USD");
    asked["fees"] = json!([{"kind": "processing", "amount": money("4.65", "USD")}]);
    let applied = apply(&erp, &asked);
    assert_eq!(applied["outcome"], "applied", "{applied:#}");
    assert_eq!(
        (&books.invoice(&one)["state"], &books.invoice(&two)["state"]),
        (&json!("paid"), &json!("paid"))
    );
    let entries = payment(&books, &format!("{id}/1"));
    assert_eq!(plainly(&entries), [("Card clearing", 100_000), ("Receivable", -100_000)]);
    let entries = payment(&books, &id);
    assert_eq!(
        plainly(&entries),
        [("Bank", 145_350), ("Card clearing", -150_000), ("Fees", 4_650)]
    );
    let again = apply(&erp, &asked);
    assert_eq!(again["applications"], applied["applications"], "{again:#}");
    assert_eq!(books.moves(&id).len(), 1);
}

#[test]
fn a_payout_of_another_month_and_currency_clears_to_the_cent() {
    let (erp, books) = (erp(), Books::open());
    let (one, two) = (owed(&erp, "C-1004", "EUR", "99.99"), owed(&erp, "C-1004", "EUR", "33.37"));
    let id = fresh("PO");
    let mut asked = receipt(&id, "EUR", &[(&one, "99.99"), (&two, "33.37")]);
    asked["method"] = "card".into();
    asked["received_on"] = "2026-10-15".into();
    asked["amount"] = money("130.16", "EUR");
    asked["fees"] = json!([{"kind": "processing", "amount": money("3.20", "EUR")}]);
    let applied = apply(&erp, &asked);
    assert_eq!(applied["outcome"], "applied", "{applied:#}");
    let paid_out = payment(&books, &id);
    let foreign = |account: &str| {
        let found = paid_out.iter().find(|entry| entry.account == account);
        found.and_then(|entry| entry.in_second_currency)
    };
    assert_eq!((foreign("Bank"), foreign("Fees")), (Some(130_160), Some(3_200)), "{paid_out:#?}");
    // In dollars, each payment is rounded by itself; nothing of it stays on the clearing account.
    let mut all = paid_out;
    all.extend(payment(&books, &format!("{id}/1")));
    all.extend(payment(&books, &format!("{id}/2")));
    let clearing = all.iter().filter(|entry| entry.account == "Card clearing");
    let (own, foreign) = clearing.fold((0, 0), |(own, foreign), entry| {
        (own + entry.amount, foreign + entry.in_second_currency.unwrap_or_default())
    });
    assert_eq!((own, foreign), (0, 0), "{all:#?}");
}

#[test]
fn other_currencies_are_paid_in_their_own() {
    let (erp, books) = (erp(), Books::open());
    for (currency, price, amount, part) in [
        ("EUR", "99.99", 99_990, "33.33"),
        ("JPY", "1500", 1_500_000, "500"),
        ("KWD", "12.345", 12_345, "4.115"),
    ] {
        let invoice = owed(&erp, "C-1004", currency, price);
        let (first, second) = (fresh("R"), fresh("R"));
        let paid = apply(&erp, &receipt(&first, currency, &[(&invoice, part)]));
        assert_eq!(paid["outcome"], "applied", "{paid:#}");
        let part = mills(&json!(part));
        assert_eq!(mills(&paid["applications"][0]["open"]["amount"]), amount - part, "{paid:#}");
        assert_eq!(mills(&books.invoice(&invoice)["amount_to_pay"]), amount - part);
        let entries = payment(&books, &format!("{first}/1"));
        assert_eq!(entries[0].in_second_currency, Some(part), "{entries:#?}");

        let rest = thousandths(amount - part);
        let paid = apply(&erp, &receipt(&second, currency, &[(&invoice, &rest)]));
        assert_eq!(paid["outcome"], "applied", "{paid:#}");
        assert_eq!(books.invoice(&invoice)["state"], "paid", "{paid:#}");
    }
}

#[test]
fn a_credit_note_is_paid_back_and_what_is_kept_too() {
    let (erp, books) = (erp(), Books::open());
    let invoice = owed(&erp, "C-2001", "USD", "149.00");
    apply(&erp, &receipt(&fresh("R"), "USD", &[(&invoice, "149.00")]));
    let note = format!("{invoice}-C");
    let credited = erp.call(
        "credit-invoice",
        &json!({
            "invoice": {"id": invoice, "references": []}, "credit_note": note,
        }),
    );
    assert_eq!(credited.expect("an answer")["outcome"], "credited");
    assert_eq!(mills(&books.invoice(&note)["amount_to_pay"]), -149_000);

    let id = fresh("R");
    let part = apply(&erp, &receipt(&id, "USD", &[(&note, "-50.00")]));
    assert_eq!(part["outcome"], "applied", "{part:#}");
    assert_eq!(mills(&books.invoice(&note)["amount_to_pay"]), -99_000);
    let entries = payment(&books, &format!("{id}/1"));
    assert_eq!(plainly(&entries), [("Bank", -50_000), ("Receivable", 50_000)]);
    let rest = apply(&erp, &receipt(&fresh("R"), "USD", &[(&note, "-99.00")]));
    assert_eq!(rest["outcome"], "applied", "{rest:#}");
    assert_eq!(books.invoice(&note)["state"], "paid");
}

#[test]
fn what_was_applied_can_be_taken_back_and_applied_again() {
    let (erp, books) = (erp(), Books::open());
    let (whole, part) =
        (owed(&erp, "C-1001", "USD", "149.00"), owed(&erp, "C-1001", "USD", "149.00"));
    let id = fresh("R");
    let asked = receipt(&id, "USD", &[(&whole, "149.00"), (&part, "49.00")]);
    assert_eq!(apply(&erp, &asked)["outcome"], "applied");
    let back = json!({"receipt": {"id": id, "references": []}});
    let taken = erp.call("unapply-receipt", &back).expect("an answer");
    assert_eq!(taken["outcome"], "unapplied", "{taken:#}");
    assert_eq!(mills(&taken["unapplied"]["amount"]), 198_000);
    for invoice in [&whole, &part] {
        let booked = books.invoice(invoice);
        assert_eq!(
            (&booked["state"], mills(&booked["amount_to_pay"])),
            (&json!("posted"), 149_000)
        );
    }
    // The money stays booked on the customer.
    let entries = payment(&books, &format!("{id}/1"));
    assert_eq!(plainly(&entries), [("Bank", 149_000), ("Receivable", -149_000)]);
    let again = erp.call("unapply-receipt", &back).expect("an answer");
    assert_eq!(again["outcome"], "unapplied", "{again:#}");

    let applied = apply(&erp, &asked);
    assert_eq!(applied["outcome"], "applied", "{applied:#}");
    assert_eq!(books.invoice(&whole)["state"], "paid");
    assert_eq!(mills(&books.invoice(&part)["amount_to_pay"]), 100_000);
    assert_eq!(books.moves(&format!("{id}/1")).len(), 1, "booked once");

    let unknown = json!({"receipt": {"id": "never", "references": []}});
    assert_eq!(erp.call("unapply-receipt", &unknown).expect("an answer")["outcome"], "unknown");
}
