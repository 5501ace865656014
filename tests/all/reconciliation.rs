//! The shipped reconciliation routes, with their spans in seconds, over books that a test keeps: each
//! finding is one exception with an owner, and what is put right in time is none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::runtime::Runtime;
use crate::support::setup::Setup;
use crate::support::system::{System, say};
use crate::support::wait_until;

/// What the three systems have on record.
#[derive(Default)]
struct Books {
    /// `ID ORDER STATUS VERSION`, as they changed.
    payments: Vec<String>,
    /// `ID ORDER SHIPMENT KIND`.
    milestones: Vec<String>,
    /// What makes an invoice due, by order.
    orders: BTreeMap<String, &'static str>,
    /// Order and what is open, by invoice.
    invoices: BTreeMap<String, (String, &'static str)>,
    /// Orders that the ERP learns of after it was asked so often.
    late: BTreeMap<String, usize>,
}

impl Books {
    fn answer(&mut self, path: &str) -> Option<String> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let after = || query.strip_prefix("after=").and_then(|text| text.parse::<usize>().ok());
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match parts.as_slice() {
            ["payments"] => Some(self.payments[after()?.min(self.payments.len())..].join("\n")),
            ["milestones"] => {
                Some(self.milestones[after()?.min(self.milestones.len())..].join("\n"))
            }
            ["payments", id] => {
                let own = |line: &&String| line.split(' ').next() == Some(id);
                self.payments.iter().rev().find(own).cloned()
            }
            ["orders", id] => match self.late.get_mut(*id) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    None
                }
                _ => self.orders.get(*id).map(|trigger| (*trigger).to_owned()),
            },
            ["invoices"] => {
                let order = query.strip_prefix("order=")?;
                let own = self.invoices.iter().filter(|(_, (of, _))| of == order);
                let lines: Vec<String> =
                    own.map(|(id, (_, open))| format!("{id} {open}")).collect();
                Some(lines.join("\n"))
            }
            ["invoices", id] => self.invoices.get(*id).map(|(_, open)| (*open).to_owned()),
            _ => None,
        }
    }
}

struct World {
    books: Arc<Mutex<Books>>,
    runtime: Runtime,
    _system: System,
}

const ROUTES: [&str; 4] = ["shipped", "authorised", "captured", "orders"];
/// How long a finding has to resolve itself, as the copies of the routes have it.
const GRACE: &str = "within = \"3s\"";

/// The route as it is shipped; only its spans are shorter.
fn hurried(name: &str) -> String {
    let path =
        crate::support::built::workspace().join(format!("routes/reconciliation-{name}.toml"));
    let text = std::fs::read_to_string(path).expect("a shipped route");
    let line = |line: &str| match line.split(' ').next() {
        Some("every") if line.contains("10m") => "every = \"200ms\"".to_owned(),
        Some("every") => String::new(),
        Some("within") => format!("{GRACE}\nevery = \"500ms\""),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn start(books: Books) -> World {
    let books = Arc::new(Mutex::new(books));
    let own = books.clone();
    let system =
        System::start(move |asked| match own.lock().expect("the books").answer(&asked.path) {
            Some(body) => say(200, body),
            None => say(404, ""),
        });
    let mut setup = Setup::new().upstream("books", &system, "");
    for alias in ["erp", "wms", "payment"] {
        setup = setup.connector(alias, "books", "");
    }
    for name in ROUTES {
        setup = setup.route(&format!("reconciliation-{name}"), &hurried(name));
    }
    World { books, runtime: setup.start(), _system: system }
}

impl World {
    fn change(&self, change: impl FnOnce(&mut Books)) {
        change(&mut self.books.lock().expect("the books"));
    }

    fn of(&self, name: &str) -> Vec<Value> {
        self.runtime.of_route(&format!("reconciliation-{name}"))
    }

    /// `CODE OWNER STEP`, and the exchange.
    fn findings(&self, name: &str) -> Vec<(String, String)> {
        let found = self.runtime.get(&format!("/v1/exceptions?route=reconciliation-{name}"));
        let found = found["exceptions"].as_array().cloned().unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        found
            .iter()
            .map(|one| {
                let told = format!(
                    "{} {} {}",
                    text(&one["class"]),
                    text(&one["owner"]),
                    text(&one["step"])
                );
                (told, text(&one["exchange"]))
            })
            .collect()
    }

    /// One finding, and no other, of a route all of whose other exchanges are over or behind it.
    fn one(&self, name: &str, expected: &str) -> String {
        wait_until(&format!("finding {expected}"), || !self.findings(name).is_empty());
        let found = self.findings(name);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, expected);
        found[0].1.clone()
    }

    /// What stood as a finding is seen to be right on retry.
    fn resolved(&self, name: &str, id: &str) {
        let body = json!({ "by": "ada", "why": "put right" });
        let answer = self.runtime.decide(&format!("/v1/exceptions/{id}/retry"), &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        wait_until("finding gone", || self.runtime.exchange(id)["end"] == "done");
        assert_eq!(self.findings(name), []);
    }

    fn all_over(&self, name: &str, count: usize) {
        wait_until(&format!("{count} exchanges of {name} over"), || {
            let all = self.of(name);
            all.len() == count && all.iter().all(|one| one["end"] == "done")
        });
    }
}

/// Of the same payment again: as long as the first finding is open, behind it.
fn told_again(world: &World, name: &str, line: &str, state: &str) {
    let before = world.of(name).len();
    world.change(|books| books.payments.push(line.to_owned()));
    wait_until("the payment told again", || world.of(name).len() == before + 1);
    // Longer than the grace: were it a finding, it would be one by now.
    std::thread::sleep(std::time::Duration::from_secs(4));
    let states: Vec<String> =
        world.of(name).iter().map(|one| one["state"].as_str().unwrap_or_default().into()).collect();
    assert_eq!(states.iter().filter(|found| *found == state).count(), 1, "{states:?}");
    assert_eq!(world.findings(name).len(), 1);
}

#[test]
fn shipped_and_not_invoiced_is_one_finding_until_it_is_invoiced() {
    let mut books = Books::default();
    for (number, order) in [("1", "SO-1"), ("2", "SO-2"), ("3", "SO-3")] {
        books.orders.insert(order.into(), if order == "SO-3" { "delivery" } else { "shipment" });
        books.milestones.push(format!("M-{number} {order} S-{number} shipped"));
    }
    books.milestones.push("M-9 SO-1 S-1 picked".into());
    let world = start(books);
    wait_until("milestones taken in", || world.of("shipped").len() == 4);
    // In time.
    world.change(|books| drop(books.invoices.insert("S-2-I".into(), ("SO-2".into(), "5"))));
    let id = world.one("shipped", "shipped-not-invoiced billing invoice");
    let shown = world.runtime.exchange(&id);
    assert_eq!(shown["keys"]["shipment"], "S-1", "{shown:#}");
    let over = world.of("shipped").iter().filter(|one| one["end"] == "done").count();
    assert_eq!(over, 3, "invoiced in time, not due, and not left");
    // The same milestone told again is no other.
    world.change(|books| books.milestones.push("M-1 SO-1 S-1 shipped".into()));
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!((world.of("shipped").len(), world.findings("shipped").len()), (4, 1));
    world.change(|books| drop(books.invoices.insert("S-1-I".into(), ("SO-1".into(), "5"))));
    world.resolved("shipped", &id);
}

#[test]
fn what_the_erp_knows_not_is_found_from_the_shipment_and_from_the_payment() {
    let mut books = Books::default();
    books.milestones.push("M-1 SO-1 S-1 shipped".into());
    books.payments.push("P-1 SO-1 captured 1".into());
    // The ERP is behind by a moment; one is no sale, and one came to nothing.
    books.payments.push("P-2 SO-2 captured 1".into());
    books.payments.push("P-3 - captured 1".into());
    books.payments.push("P-4 SO-4 voided 1".into());
    books.orders.insert("SO-2".into(), "shipment");
    books.late.insert("SO-2".into(), 2);
    let world = start(books);
    let shipped = world.one("shipped", "erp-knows-not billing order");
    let paid = world.one("orders", "erp-knows-not order-desk order");
    assert_eq!(world.runtime.exchange(&paid)["keys"]["order"], "SO-1");
    told_again(&world, "orders", "P-1 SO-1 captured 2", "queued");
    world.change(|books| {
        books.orders.insert("SO-1".into(), "shipment");
        books.invoices.insert("S-1-I".into(), ("SO-1".into(), "0"));
    });
    world.resolved("shipped", &shipped);
    world.resolved("orders", &paid);
    world.all_over("orders", 5);
}

#[test]
fn authorised_and_not_shipped_is_one_finding_until_it_is_captured_or_voided() {
    let mut books = Books::default();
    books.payments.push("P-1 SO-1 authorised 1".into());
    books.payments.push("P-2 SO-2 authorised 1".into());
    let world = start(books);
    wait_until("payments taken in", || world.of("authorised").len() == 2);
    world.change(|books| books.payments.push("P-2 SO-2 captured 2".into()));
    let id = world.one("authorised", "authorised-not-shipped order-desk payment");
    assert_eq!(world.runtime.exchange(&id)["keys"]["payment"], "P-1");
    told_again(&world, "authorised", "P-1 SO-1 authorised 2", "queued");
    world.change(|books| books.payments.push("P-1 SO-1 voided 3".into()));
    world.resolved("authorised", &id);
    world.all_over("authorised", 5);
}

#[test]
fn captured_and_not_applied_is_one_finding_until_the_invoices_are_paid() {
    let mut books = Books::default();
    books.payments.push("P-1 SO-1 captured 1".into());
    books.payments.push("P-2 SO-2 captured 1".into());
    books.invoices.insert("S-1-I".into(), ("SO-1".into(), "12.50"));
    books.invoices.insert("S-2-I".into(), ("SO-2".into(), "12.50"));
    let world = start(books);
    wait_until("payments taken in", || world.of("captured").len() == 2);
    world.change(|books| drop(books.invoices.insert("S-2-I".into(), ("SO-2".into(), "0"))));
    let id = world.one("captured", "captured-not-applied cash-desk cash");
    assert_eq!(world.runtime.exchange(&id)["keys"]["payment"], "P-1");
    told_again(&world, "captured", "P-1 SO-1 captured 2", "queued");
    world.change(|books| drop(books.invoices.insert("S-1-I".into(), ("SO-1".into(), "0"))));
    world.resolved("captured", &id);
    world.all_over("captured", 3);
}
