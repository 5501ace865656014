//! Tokens that the host fetches for its connectors: one for all messages, a new one when it runs out
//! or is revoked in the middle, and a token service that gives none is waited for or told of. And a
//! system that refuses a password is not knocked at by every message.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::depot::{Depot, Moment, STORE};
use crate::support::runtime::{Runtime, parcel};
use crate::support::setup::Setup;
use crate::support::system::{Asked, Say, say};
use crate::support::wait_until;

/// A token service beside the depot, which takes nothing without one of its tokens.
#[derive(Default)]
struct Identity {
    issued: usize,
    valid: Vec<(String, Instant)>,
    /// Logins that were refused, or came while it was down.
    turned_away: usize,
    refused_by_depot: usize,
    /// The tokens are revoked just before the next request is looked at.
    revokes_next: bool,
    down: bool,
}

/// Of these the host uses half.
const LIFETIME: Duration = Duration::from_secs(4);
const SECRET: &str = "client-secret-of-the-yard";

impl Identity {
    fn answer(&mut self, asked: &Asked) -> Option<Say> {
        if asked.path != "/token" {
            if std::mem::take(&mut self.revokes_next) {
                self.valid.clear();
            }
            let sent = asked.header("authorization").unwrap_or_default();
            let valid = |(token, until): &(String, Instant)| {
                sent.strip_prefix("Bearer ") == Some(token) && Instant::now() < *until
            };
            if self.valid.iter().any(valid) {
                return None;
            }
            self.refused_by_depot += 1;
            return Some(say(401, "who are you"));
        }
        let basic = format!("Basic {}", STANDARD.encode(format!("yard:{SECRET}")));
        if self.down || asked.header("authorization") != Some(&basic) {
            self.turned_away += 1;
            let wrong =
                r#"{"error":"invalid_client","error_description":"client authentication failed"}"#;
            return Some(if self.down { say(503, "") } else { say(401, wrong) });
        }
        self.issued += 1;
        let token = format!("token-of-the-yard-{}", self.issued);
        let lifetime = LIFETIME.as_secs();
        let said = format!(r#"{{"access_token":"{token}","expires_in":{lifetime}}}"#);
        self.valid.push((token, Instant::now() + LIFETIME));
        Some(say(200, said))
    }
}

fn start(secret: &str, down: bool) -> (Runtime, Depot, Arc<Mutex<Identity>>) {
    let identity = Arc::new(Mutex::new(Identity { down, ..Identity::default() }));
    let own = identity.clone();
    let depot = Depot::with(move |asked, moment| match moment {
        Moment::Before => own.lock().expect("the tokens").answer(asked),
        Moment::After => None,
    });
    let auth = "auth = { kind = \"oauth2-client-credentials\", token_url = \"/token\", \
                client_id = \"yard\", client_secret = { env = \"T_SECRET\" } }";
    let runtime = running(&depot, auth, secret);
    (runtime, depot, identity)
}

/// The credentials of `auth` name the variable T_SECRET.
fn running(depot: &Depot, auth: &str, secret: &str) -> Runtime {
    Setup::new()
        .connector("depot", "depot", "")
        .upstream("depot", &depot.system, auth)
        .route("storing", STORE)
        .env("T_SECRET", secret)
        .start()
}

/// Many at once.
fn post(runtime: &Runtime, ids: std::ops::Range<usize>) {
    std::thread::scope(|scope| {
        for part in 0..8 {
            let ids = ids.clone();
            scope.spawn(move || {
                for id in ids.filter(|id| id % 8 == part) {
                    assert_eq!(runtime.post("/parcels", &parcel(&format!("P-{id}"))).status, 202);
                }
            });
        }
    });
}

#[test]
fn a_token_that_runs_out_or_is_revoked_in_the_middle_is_renewed_once_for_all() {
    let (runtime, depot, identity) = start(SECRET, false);
    let begun = Instant::now();
    post(&runtime, 0..80);
    runtime.ended("storing", "done", 80);
    identity.lock().unwrap().revokes_next = true;
    post(&runtime, 80..160);
    runtime.ended("storing", "done", 160);
    wait_until("end of the last token", || {
        identity.lock().unwrap().valid.iter().all(|(_, until)| Instant::now() >= *until)
    });
    post(&runtime, 160..240);
    runtime.ended("storing", "done", 240);

    let identity = identity.lock().unwrap();
    // Used for half its life, and one was revoked.
    let allowed = 2 + (begun.elapsed().as_secs_f64() / (LIFETIME / 2).as_secs_f64()) as usize;
    assert!((3..=allowed).contains(&identity.issued), "{} of {allowed}", identity.issued);
    assert!(identity.refused_by_depot > 0, "a revoked token was noticed");
    let stored: BTreeSet<String> = depot.history().into_iter().collect();
    assert_eq!((stored.len(), depot.effects_total()), (240, 240), "each once");
    for exchange in runtime.of_route("storing") {
        let text = runtime.exchange(exchange["exchange"].as_str().unwrap()).to_string();
        assert!(!text.contains("bad-credentials"), "the connector noticed: {text}");
        assert!(!text.contains("token-of-the-yard"), "{text}");
    }
    assert!(!runtime.log().contains("token-of-the-yard"));
}

#[test]
fn a_service_may_want_the_secret_in_the_form_and_more_fields() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let own = asked.clone();
    let depot = Depot::with(move |request, moment| {
        if request.path != "/token" || moment == Moment::After {
            return None;
        }
        let mut asked = own.lock().expect("what was asked");
        asked.push((request.header("authorization").map(str::to_owned), request.body.clone()));
        Some(say(200, r#"{"access_token":"token-of-the-yard","expires_in":60}"#))
    });
    let auth = "auth = { kind = \"oauth2-client-credentials\", token_url = \"/token\", \
                client_id = \"yard\", client_secret = { env = \"T_SECRET\" }, \
                secret_in_body = true, fields = { audience = \"https://depot/\" } }";
    let runtime = running(&depot, auth, SECRET);
    post(&runtime, 0..1);
    runtime.ended("storing", "done", 1);
    let asked = asked.lock().unwrap();
    let [(None, form)] = asked.as_slice() else { panic!("{asked:?}") };
    let mut fields: Vec<&str> = form.split('&').collect();
    fields.sort_unstable();
    let secret = format!("client_secret={SECRET}");
    let expected = [
        "audience=https%3A%2F%2Fdepot%2F",
        "client_id=yard",
        secret.as_str(),
        "grant_type=client_credentials",
    ];
    assert_eq!(fields, expected);
}

#[test]
fn a_wrong_secret_is_an_exception_that_says_so_and_one_login_for_many_messages() {
    let (runtime, depot, identity) = start("another-secret-of-the-yard", false);
    let begun = Instant::now();
    post(&runtime, 0..40);
    wait_until("exception for each", || {
        runtime.of_route("storing").iter().all(|exchange| exchange["state"] == "excepted")
    });
    let allowed = 1 + begun.elapsed().as_secs() as usize / 5;
    let logins = identity.lock().unwrap().turned_away;
    assert!((1..=allowed).contains(&logins), "{logins} logins, at most {allowed}");
    assert_eq!(depot.effects_total(), 0);
    let class = ["exceptions", "list", "--class", "upstream-credentials"];
    let said = runtime.cli(&class).out;
    for words in ["upstream `depot`", "invalid_client: client authentication failed"] {
        assert!(said.contains(words), "{words} is missing in\n{said}");
    }
    assert!(!runtime.log().contains("another-secret-of-the-yard"));
}

#[test]
fn messages_wait_while_the_token_service_is_down() {
    let (runtime, depot, identity) = start(SECRET, true);
    let begun = Instant::now();
    post(&runtime, 0..40);
    wait_until("second try", || identity.lock().unwrap().turned_away >= 2);
    let allowed = 1 + begun.elapsed().as_secs() as usize;
    let logins = identity.lock().unwrap().turned_away;
    assert!(logins <= allowed, "{logins} logins for 40 messages, at most {allowed}");
    identity.lock().unwrap().down = false;
    runtime.ended("storing", "done", 40);
    assert_eq!(depot.effects_total(), 40);
}

#[test]
fn a_system_that_refuses_a_password_is_left_alone_until_it_takes_it() {
    let (refuses, knocks) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (own, count) = (refuses.clone(), knocks.clone());
    let depot = Depot::with(move |_, moment| {
        let refused = moment == Moment::Before && own.load(Ordering::SeqCst);
        refused.then(|| {
            count.fetch_add(1, Ordering::SeqCst);
            say(401, "who are you")
        })
    });
    let auth = "auth = { kind = \"basic\", user = \"yard\", password = { env = \"T_SECRET\" } }";
    let runtime = running(&depot, auth, SECRET);
    // One after the other: so many may be under way before the first refusal is heard.
    for id in 0..3 {
        runtime.parcel("/parcels", &format!("P-{id}"));
    }
    wait_until("three refusals", || knocks.load(Ordering::SeqCst) >= 3);
    let begun = Instant::now();
    let before = knocks.load(Ordering::SeqCst);
    post(&runtime, 3..100);
    wait_until("end of the first pause", || begun.elapsed() > Duration::from_secs(6));
    let (more, took_s) = (knocks.load(Ordering::SeqCst) - before, begun.elapsed().as_secs());
    assert!(more <= 10 + took_s as usize / 5, "{more} more knocks by 97 messages in {took_s} s");
    refuses.store(false, Ordering::SeqCst);
    runtime.ended("storing", "done", 100);
    assert_eq!(depot.effects_total(), 100);
}
