//! Random routes: every kind of step, sagas with and without a pivot, every `on_fault`, `once`.

use std::sync::Arc;

use super::super::fixture::{plan_of, route};
use super::Luck;
use crate::Plan;

pub struct Route {
    pub text: String,
    pub plan: Arc<Plan>,
    pub saga: bool,
    pub steps: Vec<Wanted>,
}

/// What the model knows of a step.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub name: String,
    pub on_fault: &'static str,
    pub once: bool,
    /// Past it nothing is taken back: always, or where its number is 17.
    pub pivot: Option<bool>,
    /// Only a number other than `no` is taken back.
    pub undo_when: bool,
    pub attempts: usize,
    pub only_5xx: bool,
    /// Milliseconds.
    pub total: Option<i64>,
}

struct Shape {
    operation: &'static str,
    retry: &'static str,
    attempts: usize,
    total: Option<i64>,
    each: bool,
    undo: bool,
}

const fn shape(operation: &'static str, retry: &'static str, attempts: usize) -> Shape {
    Shape { operation, retry, attempts, total: None, each: false, undo: true }
}

const SHAPES: [Shape; 9] = [
    shape("create-order", "{ attempts = 2, backoff = \"1s\" }", 2),
    Shape {
        total: Some(9_000),
        ..shape(
            "authorise",
            "{ attempts = 6, backoff = \"2s\", total = \"9s\", jitter = \"none\" }",
            6,
        )
    },
    Shape {
        total: Some(9_000),
        ..shape(
            "authorise",
            "{ attempts = 6, backoff = \"2s\", total = \"9s\", jitter = \"none\" }",
            6,
        )
    },
    shape("book-carrier", "{ attempts = 3, backoff = \"2s\", jitter = \"full\" }", 3),
    shape("post-invoice", "{ attempts = 3, backoff = \"1s\", on = [\"5xx\"] }", 3),
    Shape { undo: false, ..shape("send-letter", "{ attempts = 3, backoff = \"1s\" }", 3) },
    Shape { each: true, ..shape("book-carrier", "\"standard\"", 8) },
    Shape { each: true, ..shape("create-order", "\"slow\"", 3) },
    Shape { each: true, undo: false, ..shape("send-letter", "\"none\"", 1) },
];

const OTHERS: [&str; 6] = [
    "call = \"shop.check-credit\"\nwith = { customer = \"message.id\", amount = \"message.total\" }\nretry = { attempts = 2, backoff = \"1s\" }",
    "each = \"message.lines.filter(l, l.quantity > 1)\"\npublish = \"acme:shop/orders.counted@1\"\nwith = { sku = \"each.sku\" }",
    "set = { total = \"message.total * 2\", lines = \"message.lines\", note = \"message.customer\" }",
    "park = { role = \"desk\", ask = [\"yes\", \"no\"], within = \"1m\", show = \"message.lines\" }",
    "find = \"order\"\nwithin = \"1m\"\nwith = { system = \"'shopify'\", id = \"message.id\" }",
    "when = \"message.id == 'O2'\"\nend = \"done\"",
];

pub fn is_undo(operation: &str) -> bool {
    ["cancel-order", "void-authorisation", "cancel-carrier", "credit-invoice"].contains(&operation)
}

impl Route {
    pub fn random(luck: &mut Luck) -> Route {
        let saga = luck.one_in(2);
        let count = 2 + luck.below(5) as usize;
        let pivot = (saga && luck.one_in(2)).then(|| luck.below(count as u64) as usize);
        let mut steps = Vec::new();
        let mut text = String::new();
        let mut holds = false;
        for at in 0..count {
            let name = format!("s{at}");
            text.push_str(&format!("[[step]]\nname = \"{name}\"\n"));
            if pivot != Some(at) && luck.one_in(3) {
                text.push_str(OTHERS[luck.below(OTHERS.len() as u64) as usize]);
                text.push('\n');
                let compensates = saga && pivot.is_none_or(|pivot| at < pivot);
                let on_fault = if compensates { "compensate" } else { "park" };
                steps.push(Wanted::none(name, on_fault));
                continue;
            }
            let before = saga && pivot.is_none_or(|pivot| at <= pivot);
            let shape = loop {
                let shape = &SHAPES[luck.below(SHAPES.len() as u64) as usize];
                let is_pivot = pivot == Some(at);
                if (shape.undo || !before || is_pivot) && !(is_pivot && shape.each) {
                    break shape;
                }
            };
            let wanted = wanted(name, shape, before, pivot == Some(at), luck);
            holds |= wanted.pivot == Some(true);
            text.push_str(&written(&wanted, shape, before, luck));
            steps.push(wanted);
        }
        if saga && !holds && luck.one_in(2) {
            let end = luck.of(&["\"undone\"", "{ refused = \"late\" }"]);
            let when = "when = \"message.total > 1\"";
            text.push_str(&format!("[[step]]\nname = \"last\"\n{when}\nend = {end}\n"));
            steps.push(Wanted::none("last".to_owned(), "park"));
        }
        let mut text = route(&text);
        if saga {
            text = text.replace("owner =", "saga = true\nowner =");
        }
        let plan = plan_of(&text);
        Route { text, plan, saga, steps }
    }
}

impl Wanted {
    fn none(name: String, on_fault: &'static str) -> Wanted {
        Wanted {
            name,
            on_fault,
            once: false,
            pivot: None,
            undo_when: false,
            attempts: 2,
            only_5xx: false,
            total: None,
        }
    }
}

fn wanted(name: String, shape: &Shape, before: bool, pivot: bool, luck: &mut Luck) -> Wanted {
    let on_fault = match before {
        true => luck.of(&["compensate", "compensate", "park", "retry", "skip"]),
        false => luck.of(&["park", "park", "retry", "skip"]),
    };
    Wanted {
        name,
        on_fault,
        once: luck.one_in(4),
        pivot: pivot.then(|| luck.one_in(2)),
        undo_when: shape.undo && luck.one_in(4),
        attempts: shape.attempts,
        only_5xx: shape.operation == "post-invoice",
        total: shape.total,
    }
}

fn written(wanted: &Wanted, shape: &Shape, before: bool, luck: &mut Luck) -> String {
    let Wanted { name, on_fault, .. } = wanted;
    let order = if shape.each { "each.sku" } else { "message.id" };
    let mut text = format!(
        "call = \"shop.{}\"\nwith = {{ order = \"{order}\", note = \"message.id\" }}\nretry = {}\n",
        shape.operation, shape.retry
    );
    if shape.each {
        text.push_str("each = \"message.lines\"\n");
    }
    match *on_fault {
        // The default is left out now and then.
        "compensate" if before && luck.one_in(2) => {}
        "park" if !before && luck.one_in(2) => {}
        "skip" if luck.one_in(2) => {
            text.push_str("on_fault = { skip = { number = \"'none'\" } }\n")
        }
        word => text.push_str(&format!("on_fault = \"{word}\"\n")),
    }
    if wanted.once {
        text.push_str(&format!("once = \"{order}\"\n"));
    }
    match wanted.pivot {
        Some(true) => text.push_str("pivot = true\n"),
        Some(false) => text.push_str(&format!("pivot = \"{name}.number == '17'\"\n")),
        None => {}
    }
    if wanted.undo_when {
        text.push_str(&format!("undo_when = \"{name}.number != 'no'\"\n"));
    }
    text
}
