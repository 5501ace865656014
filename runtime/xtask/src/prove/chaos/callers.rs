//! The world that calls: shops that send orders and ask again until they are answered, some of them
//! twice, and customers who cancel or send back. They know nothing of faults and kills.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::orders::{Kind, Order};
use crate::prove::random::Random;
use crate::set_up::Addresses;
use crate::{http, interrupt};

/// Callers at the same time.
const CALLERS: usize = 3;
/// Before a caller without an answer asks again.
const AGAIN: Duration = Duration::from_millis(150);
/// Of a hundred orders, so many are submitted twice under the same key.
const TWICE_PERCENT: u64 = 15;
/// How often customers look whether their order has come so far.
const LOOK: Duration = Duration::from_millis(1500);

/// What callers and the main loop tell each other.
#[derive(Default)]
pub struct Desk {
    pub accepted: AtomicUsize,
    pub duplicates: AtomicUsize,
    /// Exchanges that are open now; callers slow down when there are many.
    pub open: AtomicU64,
    pub open_max: u64,
    pub followed: AtomicUsize,
    /// Answers that no caller should have had.
    pub wrong: Mutex<Vec<String>>,
    stop: AtomicBool,
    /// Accepted, and a customer waits to cancel it or to send it back.
    following: Mutex<Vec<Order>>,
}

impl Desk {
    pub fn new(open_max: u64) -> Arc<Desk> {
        Arc::new(Desk { open_max, ..Desk::default() })
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || interrupt::interrupted()
    }

    fn wrong(&self, what: String) {
        if let Ok(mut wrong) = self.wrong.lock() {
            wrong.push(what);
        }
    }

    /// Customers who still wait.
    pub fn waiting(&self) -> usize {
        self.following.lock().map_or(0, |following| following.len())
    }
}

/// Sends every order until it is accepted; `pace` lies between two orders of one caller.
pub fn send(
    at: Addresses,
    orders: &[Order],
    seed: u64,
    pace: Duration,
    desk: &Arc<Desk>,
) -> Vec<JoinHandle<()>> {
    let queue: Arc<Mutex<VecDeque<Order>>> = Arc::new(Mutex::new(orders.iter().cloned().collect()));
    (0..CALLERS)
        .map(|caller| {
            let (queue, desk) = (queue.clone(), desk.clone());
            let mut random = Random(seed ^ (caller as u64 + 1));
            std::thread::spawn(move || {
                loop {
                    let next = queue.lock().ok().and_then(|mut queue| queue.pop_front());
                    let Some(order) = next else { break };
                    while desk.open.load(Ordering::Relaxed) > desk.open_max && !desk.stopped() {
                        std::thread::sleep(AGAIN);
                    }
                    if !submit(at, &order, &desk) {
                        break;
                    }
                    if order.kind != Kind::Storefront && random.percent(TWICE_PERCENT) {
                        submit_again(at.messages, &order, &desk);
                    }
                    if matches!(order.kind, Kind::Cancelled | Kind::Returned)
                        && let Ok(mut following) = desk.following.lock()
                    {
                        following.push(order);
                    }
                    std::thread::sleep(pace);
                }
            })
        })
        .collect()
}

/// False when the run has been given up.
fn submit(at: Addresses, order: &Order, desk: &Desk) -> bool {
    if order.kind == Kind::Storefront {
        // The storefront sends it until it is taken, as storefronts do.
        match http::post(at.sandbox, "/sandbox/storefront/orders", &order.storefront()) {
            Ok(answer) if answer.status == 202 => {}
            other => desk.wrong(format!("{}: the storefront did not take it: {other:?}", order.id)),
        }
        desk.accepted.fetch_add(1, Ordering::SeqCst);
        return true;
    }
    loop {
        if desk.stopped() {
            return false;
        }
        match http::post(at.messages, "/orders", &order.document()) {
            Ok(answer) if matches!(answer.status, 200 | 202) => break,
            // Busy, or gone: ask again.
            Ok(answer) if matches!(answer.status, 429 | 500..) => {}
            Ok(answer) => {
                desk.wrong(format!("{}: {} {}", order.id, answer.status, answer.text()));
                return true;
            }
            Err(_) => {}
        }
        std::thread::sleep(AGAIN);
    }
    desk.accepted.fetch_add(1, Ordering::SeqCst);
    true
}

/// The same order under the same key: known, and no second exchange.
fn submit_again(to: SocketAddr, order: &Order, desk: &Desk) {
    if let Ok(answer) = http::post(to, "/orders", &order.document()) {
        match answer.status {
            200 | 202 => drop(desk.duplicates.fetch_add(1, Ordering::SeqCst)),
            429 | 500.. => {}
            status => desk.wrong(format!("{} again: {status} {}", order.id, answer.text())),
        }
    }
}

/// Customers cancel what is not shipped and send back what is invoiced, as soon as they can.
pub fn follow(at: Addresses, desk: &Arc<Desk>) -> JoinHandle<()> {
    let desk = desk.clone();
    std::thread::spawn(move || {
        while !desk.stopped() {
            let waiting: Vec<Order> =
                desk.following.lock().map(|following| following.clone()).unwrap_or_default();
            for order in waiting {
                if !desk.stopped() && come_so_far(at, &order) && said(at, &order, &desk) {
                    desk.followed.fetch_add(1, Ordering::SeqCst);
                    if let Ok(mut following) = desk.following.lock() {
                        following.retain(|other| other.id != order.id);
                    }
                }
            }
            std::thread::sleep(LOOK);
        }
    })
}

fn come_so_far(at: Addresses, order: &Order) -> bool {
    let (route, end) = match order.kind {
        Kind::Cancelled => ("order-processing", "done"),
        _ => ("invoicing", "done"),
    };
    let path = format!("/v1/timeline/order/{}", order.id);
    let Ok(answer) = http::get(at.admin, &path) else { return false };
    let timeline = answer.json();
    let exchanges = timeline["exchanges"].as_array().map(Vec::as_slice).unwrap_or_default();
    exchanges.iter().any(|exchange: &Value| exchange["route"] == route && exchange["end"] == end)
}

fn said(at: Addresses, order: &Order, desk: &Desk) -> bool {
    let (path, body) = match order.kind {
        Kind::Cancelled => ("/cancellations", order.cancellation()),
        _ => ("/returns", order.goods_return()),
    };
    match http::post(at.messages, path, &body) {
        Ok(answer) if matches!(answer.status, 200 | 202) => true,
        Ok(answer) if matches!(answer.status, 429 | 500..) => false,
        Ok(answer) => {
            desk.wrong(format!("{} {path}: {} {}", order.id, answer.status, answer.text()));
            true
        }
        Err(_) => false,
    }
}
