//! The milestone feed against a warehouse at work: shipments are made, leave, arrive and are deleted
//! between polls, lists come in short pages, and within a day in no order.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use crossdock_sdk::http::replay::{Seen, Served, reset, serve};
use crossdock_sdk::{PollRequest, time};
use serde_json::{Value, json};

use super::samples::{call, lines, sales_order, shipment};
use crate::Connector;
use crate::exports::crossdock::wms::milestone_feed::Guest as _;

const PAGE: usize = 5;
const LIMIT: u32 = 7;

/// All shipments are of one order, which stays open.
#[derive(Default)]
struct Warehouse {
    shipments: Vec<Value>,
    random: u64,
}

impl Warehouse {
    fn draw(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) as usize % below
    }

    /// Something happens.
    fn go_on(&mut self) {
        let today = json!(time::now()[..10]);
        let next = self.shipments.iter().filter_map(|s| s["pk"].as_i64()).max().unwrap_or(20) + 1;
        if self.shipments.is_empty() || self.draw(3) == 0 {
            return self.shipments.push(shipment(next, &format!("S-{next}")));
        }
        let at = self.draw(self.shipments.len());
        let found = &mut self.shipments[at];
        for field in ["checked_by", "shipment_date", "delivery_date"] {
            if found[field].is_null() {
                found[field] = if field == "checked_by" { json!(1) } else { today };
                return;
            }
        }
    }

    fn answer(&mut self, seen: &Seen) -> Served {
        let asks = |text: &str| seen.request.contains(text);
        let say = |body: Value| (200, Vec::new(), body.to_string().into_bytes());
        let rows = |rows: Vec<Value>| {
            say(json!({"count": rows.len(), "next": null, "previous": null, "results": rows}))
        };
        if asks("/order/so/4/") {
            return say(sales_order(15));
        } else if asks("/so-line/") {
            return rows(lines().as_array().unwrap().clone());
        } else if asks("/so-allocation/") || asks("/location/") {
            return rows(Vec::new());
        } else if asks("order=4") {
            return rows(self.shipments.clone());
        } else if !asks("/so/shipment/?") {
            let pk = seen.request.trim_end_matches('/').rsplit('/').next();
            let found = self.shipments.iter().find(|s| Some(s["pk"].to_string().as_str()) == pk);
            return match found {
                Some(found) => say(found.clone()),
                None => (
                    404,
                    Vec::new(),
                    br#"{"detail": "No SalesOrderShipment matches the given query."}"#.to_vec(),
                ),
            };
        }
        let mut found = self.shipments.clone();
        found.retain(|s| {
            let is = |field: &str| !s[field].is_null();
            (!asks("shipped=true") || is("shipment_date"))
                && (!asks("shipped=false") || !is("shipment_date"))
                && (!asks("delivered=true") || is("delivery_date"))
                && (!asks("delivered=false") || !is("delivery_date"))
        });
        // Another order at each request would be too much: nobody can page through that.
        found.sort_by_key(|s| s["pk"].as_i64().unwrap_or_default() * 7919 % 101);
        let offset = seen.request.split("offset=").nth(1).unwrap_or_default();
        let offset: usize = offset.split('&').next().unwrap_or_default().parse().unwrap();
        let count = found.len();
        let page: Vec<Value> = found.into_iter().skip(offset).take(PAGE).collect();
        let next = (offset + page.len() < count).then_some("http://inventree/next");
        say(json!({"count": count, "next": next, "previous": null, "results": page}))
    }

    /// What must have been told by now.
    fn milestones(&self) -> BTreeSet<String> {
        let reached = |s: &Value| match ["delivery_date", "shipment_date", "checked_by"]
            .iter()
            .position(|field| !s[field].is_null())
        {
            Some(0) => 5,
            Some(1) => 4,
            Some(_) => 3,
            None => 1,
        };
        let kinds = ["allocated", "picked", "packed", "shipped", "delivered"];
        let of = |s: &Value| {
            let pk = s["pk"].clone();
            kinds[..reached(s)].iter().map(move |kind| format!("inventree-{pk}-{kind}"))
        };
        self.shipments.iter().flat_map(of).collect()
    }
}

struct Feed {
    warehouse: Rc<RefCell<Warehouse>>,
    cursor: Option<String>,
    told: BTreeSet<String>,
    repeated: usize,
}

impl Feed {
    fn new(seed: u64) -> Feed {
        let warehouse = Rc::new(RefCell::new(Warehouse { random: seed, ..Warehouse::default() }));
        Feed { warehouse, cursor: None, told: BTreeSet::new(), repeated: 0 }
    }

    /// Whether there is more, and how many requests it took.
    fn poll(&mut self) -> (bool, usize) {
        let call = call();
        let warehouse = Rc::clone(&self.warehouse);
        serve(move |seen| warehouse.borrow_mut().answer(seen));
        let input = PollRequest { cursor: self.cursor.clone(), limit: LIMIT };
        let output = Connector::poll_shipment_milestones(call, input).unwrap();
        assert!(output.items.len() <= LIMIT as usize);
        for item in output.items {
            self.repeated += usize::from(!self.told.insert(item.id));
        }
        self.cursor = output.next_cursor.or(self.cursor.take());
        (output.more, reset().len())
    }

    fn poll_to_the_end(&mut self) {
        for _ in 0..1000 {
            if !self.poll().0 {
                return;
            }
        }
        panic!("there is always more");
    }
}

#[test]
fn every_milestone_is_told_once_however_much_happens_between_two_polls() {
    for seed in 1..=6 {
        let mut feed = Feed::new(seed);
        for _ in 0..60 {
            let events = feed.warehouse.borrow_mut().draw(12);
            (0..events).for_each(|_| feed.warehouse.borrow_mut().go_on());
            feed.poll();
        }
        feed.poll_to_the_end();
        let expected = feed.warehouse.borrow().milestones();
        assert_eq!(feed.told, expected, "seed {seed}");
        assert_eq!(feed.repeated, 0, "seed {seed}");
    }
}

#[test]
fn a_poll_with_nothing_new_reads_one_page_of_what_arrived() {
    let mut feed = Feed::new(7);
    let today = time::now()[..10].to_owned();
    for pk in 21..61 {
        let mut arrived = shipment(pk, &format!("S-{pk}"));
        arrived["shipment_date"] = json!(today);
        arrived["delivery_date"] = json!(today);
        feed.warehouse.borrow_mut().shipments.push(arrived);
    }
    feed.poll_to_the_end();
    assert_eq!(feed.told.len(), 40 * 5);
    assert_eq!(feed.poll(), (false, 3), "open, on the road, one page of what arrived");
    let mut arrived = shipment(101, "S-101");
    arrived["shipment_date"] = json!(today);
    arrived["delivery_date"] = json!(today);
    feed.warehouse.borrow_mut().shipments.push(arrived);
    assert!(!feed.poll().0, "what was found is told: there is no more");
    assert_eq!(feed.poll(), (false, 3));
}

#[test]
fn what_a_deletion_hides_is_told_on_the_next_day() {
    let mut feed = Feed::new(9);
    let today = time::now()[..10].to_owned();
    let arrived = |pk: i64| {
        let mut arrived = shipment(pk, &format!("S-{pk}"));
        arrived["shipment_date"] = json!(today);
        arrived["delivery_date"] = json!(today);
        arrived
    };
    feed.warehouse.borrow_mut().shipments = (21..41).map(arrived).collect();
    feed.poll_to_the_end();
    // One goes, another comes, on a later page: InvenTree's count is as it was.
    let last = (100..200).max_by_key(|pk| pk * 7919 % 101).unwrap();
    feed.warehouse.borrow_mut().shipments.remove(0);
    feed.warehouse.borrow_mut().shipments.push(arrived(last));
    feed.poll_to_the_end();
    let told = format!("inventree-{last}-delivered");
    assert!(!feed.told.contains(&told), "it was told already: the test tries nothing");
    let mut cursor: Value = serde_json::from_str(feed.cursor.as_ref().unwrap()).unwrap();
    cursor["day"] = json!(time::add_days(&today, -1).unwrap());
    feed.cursor = Some(cursor.to_string());
    feed.poll_to_the_end();
    assert!(feed.told.contains(&told));
    assert_eq!(feed.repeated, 0);
}
