//! Any route, any course of events, any crash: the machine against a simple model of what a system
//! may be asked. Each event is also checked on restored twins (see `fixture::Run`).

use std::collections::BTreeMap;

use contract::Value;
use jiff::Timestamp;
use proptest::prelude::*;

use super::fixture::{Run, plan};
use crate::*;

/// Steps that can stand anywhere; `N` is their number.
const STEPS: [&str; 14] = [
    "call = \"shop.check-credit\"\nwith = { customer = \"message.id\", amount = \"message.total\" }",
    "call = \"shop.create-order\"\nwith = { order = \"message.id\" }\nretry = { attempts = 2, backoff = \"1s\" }",
    "call = \"shop.authorise\"\nwith = { order = \"message.id\" }\nretry = { attempts = 3, backoff = \"1s\", total = \"4s\" }",
    "call = \"shop.book-carrier\"\nwith = { order = \"message.id\" }\nretry = { attempts = 3, backoff = \"2s\" }",
    "call = \"shop.send-letter\"\nwith = { order = \"message.id\" }\nretry = { attempts = 3, backoff = \"1s\" }",
    "call = \"shop.post-invoice\"\nwith = { order = \"message.id\" }\nretry = { attempts = 2, backoff = \"1s\" }",
    "each = \"message.lines\"\ncall = \"shop.book-carrier\"\nwith = { order = \"each.sku\" }",
    "each = \"message.lines\"\ncall = \"shop.send-letter\"\nwith = { order = \"each.sku\" }",
    "each = \"message.lines.filter(l, l.quantity > 1)\"\npublish = \"acme:shop/orders.counted@1\"\nwith = { sku = \"each.sku\" }",
    "set = { total = \"message.total * 2\", lines = \"message.lines\", note = \"message.customer\" }",
    "park = { role = \"desk\", ask = [\"yes\", \"no\"], within = \"1m\", show = \"message.lines\" }",
    "find = \"order\"\nwithin = \"1m\"\nwith = { system = \"'shopify'\", id = \"message.id\" }",
    "when = \"message.total > 50\"\nend = \"done\"",
    "when = \"message.lines.size() == 2\"\ncall = \"shop.book-carrier\"\nwith = { order = \"message.id\" }",
];

fn text(picked: &[usize]) -> String {
    let step =
        |(at, kind): (usize, &usize)| format!("[[step]]\nname = \"s{at}\"\n{}\n", STEPS[*kind]);
    picked.iter().enumerate().map(step).collect()
}

/// What the systems and the runtime's users have seen.
#[derive(Default)]
struct Model {
    /// By key: what was sent.
    sent: BTreeMap<String, Sent>,
    last_at: Option<Timestamp>,
}

struct Sent {
    input: Value,
    started_at: Timestamp,
    effect: Effect,
    operation: String,
    /// The answer came: it must never be asked again.
    answered: bool,
    /// It may have taken effect, and nobody has said otherwise since.
    doubtful: bool,
}

impl Model {
    fn asked(&mut self, call: &CallAction) {
        let (path, generation) = call.key.rsplit_once('/').unwrap();
        if let Some(earlier) = generation.parse::<u32>().unwrap().checked_sub(1) {
            let earlier = &self.sent[&format!("{path}/{earlier}")];
            assert!(!earlier.answered && !earlier.doubtful, "a new key in doubt: {call:?}");
        }
        let sent = self.sent.entry(call.key.clone()).or_insert_with(|| Sent {
            input: call.input.clone(),
            started_at: call.started_at,
            effect: call.effect,
            operation: call.operation.clone(),
            answered: false,
            doubtful: false,
        });
        if call.probe_of.is_some() {
            assert!(sent.doubtful, "a probe about a call that is not in doubt: {call:?}");
            assert_eq!((&sent.input, sent.started_at), (&call.input, call.started_at));
            return;
        }
        assert!(!sent.answered, "asked again after its answer: {call:?}");
        assert_eq!(sent.operation, call.operation);
        assert_eq!(sent.input, call.input, "the same key with another body");
        if sent.effect == Effect::Mutation {
            assert_eq!(sent.started_at, call.started_at, "the same key with another start");
            let keyless = ["book-carrier", "send-letter"].contains(&call.operation.as_str());
            assert!(!(keyless && sent.doubtful), "a blind repeat: {call:?}");
        }
    }

    fn outcomes(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            assert!(self.last_at.is_none_or(|last| last <= outcome.at), "time runs backwards");
            self.last_at = Some(outcome.at);
        }
    }

    fn of(&mut self, key: &str) -> &mut Sent {
        self.sent.get_mut(key).unwrap()
    }
}

fn answer_of(operation: &str, choice: u8) -> &'static str {
    match operation {
        "check-credit" => r#"{"decision": "approved", "limit": "1.50"}"#,
        "probe-book-carrier" | "probe-post-invoice" => match choice % 4 {
            0 => r#"{"applied": {"number": "9"}}"#,
            1 => r#""absent""#,
            2 => r#""pending""#,
            _ => r#""unknown""#,
        },
        _ => r#"{"number": "17"}"#,
    }
}

fn retry_of(choice: u8) -> Retry {
    match choice % 5 {
        0 => Retry::Never,
        1 => Retry::Later { after_ms: None },
        2 => Retry::Later { after_ms: Some(3_000) },
        3 => Retry::RefreshAuth,
        _ => Retry::OutcomeUnknown,
    }
}

/// One event that fits the action, or a crash; `what` and `choice` are random.
fn turn(run: &mut Run, model: &mut Model, what: u8, choice: u8) {
    let who = || ("ann".to_owned(), "because".to_owned());
    let before = run.outcomes.len();
    match run.action.clone() {
        Action::Call(call) => {
            let probe = call.probe_of.is_some();
            match what % 9 {
                8 => {
                    run.throttled();
                }
                0..=3 => {
                    let json = answer_of(&call.operation, choice);
                    let sent = model.of(&call.key);
                    sent.answered |= !probe || json.contains("applied");
                    sent.doubtful &= !(json.contains("absent") || sent.answered);
                    run.answer(&call.operation, json);
                }
                4..=6 => {
                    let retry = retry_of(choice);
                    if !probe && retry == Retry::OutcomeUnknown && call.effect == Effect::Mutation {
                        model.of(&call.key).doubtful = true;
                    }
                    run.fault(retry);
                }
                _ => {
                    if call.effect == Effect::Mutation {
                        model.of(&call.key).doubtful = true;
                    }
                    run.crash();
                }
            }
        }
        Action::Wait { .. } => match what % 4 {
            0 => {
                run.crash();
            }
            1 => {
                run.on(Event::Fired);
            }
            _ => {
                run.fire();
            }
        },
        Action::Task(_) => {
            let answer = ["yes", "no", "perhaps"][usize::from(choice % 3)].to_owned();
            let at = super::fixture::at(run.now);
            run.on(Event::Decided(Decision { answer, by: "ann".to_owned(), note: None, at }));
        }
        Action::Find(_) => {
            let linked = |system: &str| Linked {
                object: "order".to_owned(),
                system: system.to_owned(),
                id: format!("{system}-1"),
            };
            let nodes = match what % 3 {
                0 => vec![],
                1 => vec![linked("shopify")],
                _ => vec![linked("shopify"), linked(OWN_SYSTEM)],
            };
            run.on(Event::Found(nodes));
        }
        Action::Exception(exception) => {
            let (by, why) = who();
            if what.is_multiple_of(16) {
                run.on(Event::Discard { by, why });
            } else {
                // A person's word: what nothing tells of may be asked again.
                let letter = model
                    .sent
                    .iter_mut()
                    .filter(|(key, _)| key.contains(&format!("/{}/", exception.step)));
                for (_, sent) in letter {
                    if sent.operation == "send-letter" {
                        sent.doubtful = false;
                    }
                }
                run.on(Event::Retry { by, why });
            }
        }
        Action::End(_) => {}
    }
    model.outcomes(&run.outcomes[before..]);
    if let Action::Call(call) = &run.action {
        // A restored call that may have been under way is in doubt for its probe.
        if run.outcomes.last().is_some_and(|outcome| outcome.kind == OutcomeKind::InDoubt) {
            model.of(&call.key).doubtful = true;
        }
        model.asked(call);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_effect_is_asked_for_twice_and_every_state_is_restored(
        picked in proptest::collection::vec(0..STEPS.len(), 1..6),
        turns in proptest::collection::vec((any::<u8>(), any::<u8>(), 0..40u8), 1..60),
    ) {
        let mut run = Run::start(&plan(&text(&picked)));
        let mut model = Model::default();
        model.outcomes(&run.outcomes);
        if let Action::Call(call) = &run.action {
            model.asked(call);
        }
        for (what, choice, seconds) in turns {
            run.now += i64::from(seconds / 10);
            turn(&mut run, &mut model, what, choice);
        }
        // With good answers from here on, everything comes to an end.
        for _ in 0..200 {
            if matches!(run.action, Action::End(_)) {
                break;
            }
            turn(&mut run, &mut model, 2, 0);
        }
        prop_assert!(matches!(run.action, Action::End(_)), "{}", run.shown());
    }
}
