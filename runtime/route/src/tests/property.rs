//! Any route, any course of events, any crash: the machine against a simple model of what the systems
//! outside may be asked, and what the journal and persons know. Each state is also restored (see
//! `fixture::Run`). `CROSSDOCK_SEED` runs another course; a failure prints its own.

mod model;
mod routes;

use super::fixture::{Run, answer, at};
use crate::*;
use model::Model;
use routes::Route;

/// SplitMix64.
pub(super) struct Luck(u64);

impl Luck {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

const SEED: u64 = 20_261_122;
const ROUTES: usize = 150;
const EXCHANGES: usize = 2_800;
const TURNS: usize = 80;
/// With good answers from some moment on, everything comes to an end within so many.
const ENDING: usize = 400;

#[test]
fn what_the_machine_does_is_what_the_model_allows() {
    let seed = std::env::var("CROSSDOCK_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or(SEED);
    println!("CROSSDOCK_SEED={seed}");
    let mut luck = Luck(seed);
    let routes: Vec<Route> = (0..ROUTES).map(|_| Route::random(&mut luck)).collect();
    let mut turns = 0;
    for number in 0..EXCHANGES {
        let route = &routes[luck.below(ROUTES as u64) as usize];
        let course = luck.below(u64::MAX);
        let told = Told(format!("seed {seed}, exchange {number} on\n{}", route.text));
        turns += travel(route, &mut Luck(course));
        drop(told);
    }
    println!("{turns} turns");
    assert!(turns > 200_000, "{turns}");
}

/// Says where it was, if it comes to a panic.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

fn travel(route: &Route, luck: &mut Luck) -> usize {
    let mut run = Run::start(&route.plan);
    let mut model = Model::new(route);
    model.saw(&run, 0, 0);
    let mut turns = 0;
    for _ in 0..TURNS {
        run.now += luck.of(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 900]);
        run.twins = luck.one_in(12);
        step(&mut run, &mut model, luck, false);
        turns += 1;
    }
    run.twins = false;
    for _ in 0..ENDING {
        if matches!(run.action, Action::End(_)) {
            return turns;
        }
        step(&mut run, &mut model, luck, true);
        turns += 1;
    }
    panic!("it does not come to an end: {}\n{:#?}", run.shown(), run.outcomes);
}

/// One event that fits where the exchange stands, one that does not, or a crash; good ones at last.
fn step(run: &mut Run, model: &mut Model, luck: &mut Luck, good: bool) {
    let (outcomes, claims) = (run.outcomes.len(), run.claims.len());
    let stood = Told(format!("at {}s {}, after {:?}", run.now, run.shown(), run.kinds()));
    turn(run, model, luck, good, outcomes, claims);
    drop(stood);
}

fn turn(
    run: &mut Run,
    model: &mut Model,
    luck: &mut Luck,
    good: bool,
    outcomes: usize,
    claims: usize,
) {
    if !good && luck.one_in(12) {
        let left = model.reaches(run.outcomes.len(), luck);
        model.crashes(run, left);
        run.crash_to(left);
        return model.saw(run, left, claims);
    }
    if !good && luck.one_in(15) {
        stray(run, luck);
    } else {
        event(run, model, luck, good);
    }
    model.saw(run, outcomes, claims);
}

/// What the host never says here, or says too late: it must change nothing.
fn stray(run: &mut Run, luck: &mut Luck) {
    // A wait that is over goes on by any event.
    if matches!(&run.action, Action::Wait { until, .. } if *until <= at(run.now)) {
        return;
    }
    let (by, why) = who();
    let answer = "yes".to_owned();
    let decision = Decision { answer, by: by.clone(), note: None, at: at(run.now) };
    let event = match (luck.below(5), &run.action) {
        (0, Action::Exception(_) | Action::Wait { .. } | Action::Task(_) | Action::Find(_)) => {
            return;
        }
        (0, _) => Event::Discard { by, why },
        (1, Action::Exception(_)) | (2, Action::Task(_)) | (3, Action::Claim(_)) => return,
        (1, _) => Event::Retry { by, why },
        (2, _) => Event::Decided(decision),
        (3, _) => Event::Claimed(Claim::Mine),
        (_, Action::Exception(_)) => return,
        (_, _) => Event::Compensate { by, why },
    };
    let (before, outcomes) = (run.action.clone(), run.outcomes.len());
    run.on(event.clone());
    assert_eq!((&run.action, run.outcomes.len()), (&before, outcomes), "{event:?}");
}

fn event(run: &mut Run, model: &mut Model, luck: &mut Luck, good: bool) {
    match run.action.clone() {
        Action::Call(call) => called(run, model, &call, luck, good),
        Action::Claim(claim) => {
            let answer = model.claimed(&claim, luck, good);
            run.on(Event::Claimed(answer));
        }
        Action::Wait { until, why } => {
            // What is held back may be hastened, and a timer may come too early or late.
            run.now += luck.of(&[0, 0, 1, 30]);
            if good || !luck.one_in(4) {
                run.fire();
            } else {
                if why.starts_with("limit ") && at(run.now) < until {
                    model.hastened();
                }
                run.on(Event::Fired);
            }
        }
        Action::Task(_) => {
            let choice = if good { "yes" } else { luck.of(&["yes", "no", "perhaps"]) };
            let answer = choice.to_owned();
            let decision = Decision { answer, by: who().0, note: None, at: at(run.now) };
            run.on(Event::Decided(decision));
        }
        Action::Find(_) => {
            let linked = |system: &str| Linked {
                object: "order".to_owned(),
                system: system.to_owned(),
                id: format!("{system}-1"),
            };
            let nodes = match if good { 2 } else { luck.below(3) } {
                0 => vec![],
                1 => vec![linked("shopify")],
                _ => vec![linked("shopify"), linked(OWN_SYSTEM)],
            };
            run.on(Event::Found(nodes));
        }
        Action::Exception(exception) => excepted(run, model, &exception, luck, good),
        Action::End(_) => {
            let (by, why) = who();
            let event = match luck.below(6) {
                0 => Event::Resume,
                1 => Event::Fired,
                2 => Event::Retry { by, why },
                3 => Event::Discard { by, why },
                4 => Event::Compensate { by, why },
                _ => Event::Answer(super::fixture::order()),
            };
            let (before, outcomes) = (run.action.clone(), run.outcomes.len());
            run.on(event);
            assert_eq!((&run.action, run.outcomes.len()), (&before, outcomes), "ended is ended");
        }
    }
}

fn called(run: &mut Run, model: &mut Model, call: &CallAction, luck: &mut Luck, good: bool) {
    match if good { 0 } else { luck.below(12) } {
        0..=4 => {
            let json = answer_of(&call.operation, luck, good);
            model.answered(call, json);
            run.on(Event::Answer(answer(&call.operation, json)));
        }
        5..=8 => {
            let retry = luck.of(&[
                Retry::Never,
                Retry::Later { after_ms: None },
                Retry::Later { after_ms: Some(3_000) },
                Retry::RefreshAuth,
                Retry::OutcomeUnknown,
                Retry::OutcomeUnknown,
            ]);
            let status = luck.of(&[None, Some(429), Some(503)]);
            let (code, message) = ("unavailable".to_owned(), "it is down".to_owned());
            let fault = Fault { retry, code, message, status };
            model.faulted(call, &fault, run.now);
            run.on(Event::Fault(fault));
        }
        _ => {
            let until = at(run.now + luck.of(&[1, 5, 60]));
            let reason = HeldBy::Limit;
            let limit = "x".to_owned();
            run.on(Event::Throttled(Held { limit, until, reason, detail: None }));
        }
    }
}

fn excepted(run: &mut Run, model: &mut Model, exception: &Exception, luck: &mut Luck, good: bool) {
    let (by, why) = who();
    let event = match if good { luck.below(8) } else { luck.below(16) } {
        7 | 8 => Event::Compensate { by, why },
        9 | 10 => {
            let id = luck.of(&["O1", "O2"]);
            let text = contract::json::write(&super::fixture::order());
            let text = text.replace("\"O1\"", &format!("\"{id}\""));
            let message = super::fixture::value("acme:shop/orders.order@1", &text);
            Event::Edit { message, by, why }
        }
        11 => Event::Discard { by, why },
        // A refusal that nothing changes: it would be for ever.
        _ if good && exception.class == "failed" => Event::Discard { by, why },
        _ => Event::Retry { by, why },
    };
    model.decides(run, exception, &event);
    run.on(event);
}

fn who() -> (String, String) {
    ("ann".to_owned(), "because".to_owned())
}

fn answer_of(operation: &str, luck: &mut Luck, good: bool) -> &'static str {
    let bad = !good;
    match operation {
        "check-credit" => r#"{"decision": "approved", "limit": "1.50"}"#,
        "probe-book-carrier" | "probe-post-invoice" if bad => {
            luck.of(&[NUMBERED, r#""absent""#, r#""pending""#, r#""unknown""#])
        }
        "probe-book-carrier" | "probe-post-invoice" => NUMBERED,
        "probe-cancel-carrier" if bad => {
            luck.of(&[GONE, STAYS, r#""absent""#, r#""pending""#, r#""unknown""#])
        }
        "probe-cancel-carrier" => GONE,
        _ if routes::is_undo(operation) => match bad && luck.one_in(4) {
            true => luck.of(&[r#"{"outcome": "too_late"}"#, r#"{"outcome": "pending"}"#]),
            false => r#"{"outcome": "cancelled"}"#,
        },
        _ => luck.of(&[r#"{"number": "17"}"#, r#"{"number": "17"}"#, r#"{"number": "no"}"#]),
    }
}

const NUMBERED: &str = r#"{"applied": {"number": "17"}}"#;
const GONE: &str = r#"{"applied": {"outcome": "cancelled"}}"#;
const STAYS: &str = r#"{"applied": {"outcome": "too_late"}}"#;
