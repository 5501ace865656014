//! Each order's final state as the products tell it, held against what the fates say; and that there
//! is nothing beside it: no second sale, invoice, label or payment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use anyhow::Result;

use super::amount::Amount;
use super::books::{Books, Invoice, Moved, Sale};
use super::cards::Cards;
use super::carrier::{Carrier, Label};
use crate::play::{Fate, Final, FinalPayment, belongs};

/// Everything that the products tell, at one time.
pub struct State {
    sales: Vec<Sale>,
    invoices: Vec<Invoice>,
    moved: Vec<Moved>,
    labels: Vec<Label>,
    payments: Vec<(String, FinalPayment)>,
    ledger: usize,
    unbalanced: Vec<String>,
}

/// What was there before the first order.
#[derive(Clone, Copy, Default)]
pub struct Before {
    pub sales: usize,
    pub invoices: usize,
}

impl State {
    pub fn read(books: &Books, carrier: &Carrier, cards: &Cards, fates: &[Fate]) -> Result<State> {
        let orders: Vec<&str> = fates.iter().map(|fate| fate.order.as_str()).collect();
        let mut unbalanced = Vec::new();
        Ok(State {
            sales: books.sales()?,
            invoices: books.invoices()?,
            moved: books.moved(&orders)?,
            labels: carrier.labels()?,
            payments: cards.payments()?,
            ledger: books.ledger(&mut unbalanced)?,
            unbalanced,
        })
    }

    pub fn before(&self) -> Before {
        Before { sales: self.sales.len(), invoices: self.invoices.len() }
    }

    /// For the figures at the end.
    pub fn figures(&self, before: Before) -> String {
        let invoices = self.invoices.len() - before.invoices;
        let paid = self.invoices.iter().filter(|invoice| invoice.state == "paid").count();
        let captured: Amount = self.payments.iter().map(|(_, paid)| amount(&paid.captured)).sum();
        let refunded: Amount = self.payments.iter().map(|(_, paid)| amount(&paid.refunded)).sum();
        format!(
            "  ERP         {} sales, {invoices} invoices and credit notes, {paid} paid, {} moves of goods,\n              {} ledger moves, each posted and balanced but {}\n  TMS         {} labels\n  payment     {} payment intents, {captured} captured, {refunded} given back",
            self.sales.len() - before.sales,
            self.moved.len(),
            self.ledger,
            self.unbalanced.len(),
            self.labels.len(),
            self.payments.len(),
        )
    }

    pub fn differences(&self, fates: &[Fate], before: Before) -> Vec<String> {
        let mut wrong = self.unbalanced.clone();
        for fate in fates {
            if let Some(expected) = &fate.ended {
                self.of_order(&fate.order, expected, &mut wrong);
            }
        }
        self.beside(fates, before, &mut wrong);
        wrong
    }

    fn of_order(&self, order: &str, expected: &Final, wrong: &mut Vec<String>) {
        let mut compare = |what: &str, found: &dyn Debug, expected: &dyn Debug| {
            let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
            if found != expected {
                wrong.push(format!("{order}: {what} {found}, expected {expected}"));
            }
        };
        let sales = self.sales.iter().filter(|sale| sale.reference == order);
        let states: Vec<&str> = sales.map(|sale| sale.state.as_str()).collect();
        compare("sales", &states, &expected.sale.iter().collect::<Vec<_>>());

        for (what, left, pieces) in
            [("left", true, &expected.left), ("came back", false, &expected.came_back)]
        {
            let mut found: BTreeMap<&str, Amount> = BTreeMap::new();
            let of_order =
                |moved: &&Moved| moved.order == order && moved.left == left && moved.done;
            for moved in self.moved.iter().filter(of_order) {
                let sum = found.entry(&moved.item).or_default();
                *sum = *sum + moved.quantity;
            }
            let found: BTreeMap<&str, String> =
                found.into_iter().map(|(item, sum)| (item, sum.to_string())).collect();
            let pieces: BTreeMap<&str, String> =
                pieces.iter().map(|(item, count)| (item.as_str(), format!("{count}.00"))).collect();
            compare(what, &found, &pieces);
        }

        let waits =
            |moved: &&Moved| moved.order == order && !moved.done && !moved.quantity.is_zero();
        let waiting: Vec<&Moved> = self.moved.iter().filter(waits).collect();
        compare("goods that still wait", &waiting, &Vec::<&Moved>::new());

        let of_order = |invoice: &&Invoice| belongs(&invoice.reference, order);
        let mut found: Vec<Amount> =
            self.invoices.iter().filter(of_order).map(|invoice| invoice.total).collect();
        let mut totals: Vec<Amount> = expected.invoices.iter().map(|text| amount(text)).collect();
        found.sort_unstable();
        totals.sort_unstable();
        compare("invoices", &found, &totals);
        let open = |invoice: &&Invoice| invoice.state != "paid" || !invoice.to_pay.is_zero();
        let open: Vec<&Invoice> = self.invoices.iter().filter(of_order).filter(open).collect();
        compare("unpaid", &open, &Vec::<&Invoice>::new());

        let labels = self.labels.iter().filter(|label| belongs(&label.reference, order)).count();
        compare("labels", &labels, &expected.labels);

        let mut payments: Vec<FinalPayment> = Vec::new();
        for (_, payment) in self.payments.iter().filter(|(of, _)| of == order) {
            payments.push(payment.clone());
        }
        let mut expected = expected.payments.clone();
        payments.sort();
        expected.sort();
        compare("payments", &payments, &expected);
    }

    /// What belongs to no order, and whatever should be one of its kind and is not.
    fn beside(&self, fates: &[Fate], before: Before, wrong: &mut Vec<String>) {
        let ended = || fates.iter().filter_map(|fate| fate.ended.as_ref());
        let sales = ended()
            .map(|ended| {
                usize::from(ended.sale.is_some()) + usize::from(!ended.came_back.is_empty())
            })
            .sum::<usize>();
        let invoices = ended().map(|ended| ended.invoices.len()).sum::<usize>();
        let labels = ended().map(|ended| ended.labels).sum::<usize>();
        let payments = ended().map(|ended| ended.payments.len()).sum::<usize>();
        for (what, found, expected) in [
            ("sales", self.sales.len() - before.sales, sales),
            ("invoices", self.invoices.len() - before.invoices, invoices),
            ("labels", self.labels.len(), labels),
            ("payment intents", self.payments.len(), payments),
        ] {
            if found != expected {
                wrong.push(format!("{found} {what} in all, expected {expected}"));
            }
        }
        let mut numbers = BTreeSet::new();
        for label in &self.labels {
            let number = &label.tracking_number;
            if number.is_empty() || !numbers.insert(number) {
                wrong.push(format!("{}: tracking number `{number}`", label.reference));
            }
        }
    }
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap_or_default()
}
