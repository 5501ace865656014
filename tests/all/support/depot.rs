//! The system behind the guest `depot`: it honours idempotency keys on `/parcels` and `/backs` and
//! nowhere else, and it counts effects, which is what crash tests are about.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::system::{Asked, Say, System, say};

/// Stores each parcel that comes in.
pub const STORE: &str = r#"
[route]
name = "storing"
owner = "yard"
[from.http]
path = "/parcels"
accept = "acme:depot/parcels.parcel@1"
[keys]
parcel = "message.id"
[[step]]
name = "stored"
call = "depot.store"
with = "message"
"#;

/// Stores one parcel a minute, named after its time.
pub const COUNT: &str = r#"
[route]
name = "count"
owner = "yard"
[from.schedule]
cron = "* * * * *"
[[step]]
name = "stored"
call = "depot.store"
[step.with]
id = "string(message.at)"
company = "'acme'"
references = []
weight = "decimal('1')"
"#;

/// When a hook is asked: before the effect (what it says is said instead), or after it (instead of
/// the answer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Before,
    After,
}

pub struct Depot {
    pub system: System,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Key to number and body, where keys are honoured.
    known: BTreeMap<String, (usize, String)>,
    /// The bodies of all effects, in order.
    effects: Vec<(String, String)>,
    arrivals: Vec<String>,
    /// Keys that came back with another body.
    changed: Vec<String>,
}

impl Depot {
    pub fn start() -> Depot {
        Depot::with(|_, _| None)
    }

    pub fn with(hook: impl Fn(&Asked, Moment) -> Option<Say> + Send + Sync + 'static) -> Depot {
        Depot::start_with(None, hook)
    }

    /// By HTTPS, where there is a configuration for it.
    pub fn start_with(
        tls: Option<Arc<rustls::ServerConfig>>,
        hook: impl Fn(&Asked, Moment) -> Option<Say> + Send + Sync + 'static,
    ) -> Depot {
        let state = Arc::new(Mutex::new(State::default()));
        let own = state.clone();
        let system = System::start_with(tls, move |asked| {
            if let Some(said) = hook(asked, Moment::Before) {
                return said;
            }
            let answer = own.lock().expect("the depot's books").serve(asked);
            hook(asked, Moment::After).unwrap_or(answer)
        });
        Depot { system, state }
    }

    /// Effects on a path whose body says `id=ID `.
    pub fn effects(&self, path: &str, id: &str) -> usize {
        let mark = format!("id={id} ");
        let state = self.state.lock().expect("the depot's books");
        state.effects.iter().filter(|(at, body)| at == path && body.starts_with(&mark)).count()
    }

    /// `PATH ID` of every effect, in the order in which they were had.
    pub fn history(&self) -> Vec<String> {
        let state = self.state.lock().expect("the depot's books");
        let id = |body: &str| {
            body.strip_prefix("id=").and_then(|rest| rest.split(' ').next().map(str::to_owned))
        };
        state
            .effects
            .iter()
            .map(|(path, body)| format!("{path} {}", id(body).unwrap_or_default()))
            .collect()
    }

    pub fn effects_total(&self) -> usize {
        self.state.lock().expect("the depot's books").effects.len()
    }

    /// Keys that were sent with two bodies.
    pub fn changed(&self) -> Vec<String> {
        self.state.lock().expect("the depot's books").changed.clone()
    }

    pub fn arrive(&self, ids: &[&str]) {
        let mut state = self.state.lock().expect("the depot's books");
        state.arrivals.extend(ids.iter().map(|id| (*id).to_owned()));
    }
}

impl State {
    fn serve(&mut self, asked: &Asked) -> Say {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        match (asked.method.as_str(), path) {
            ("POST", "/parcels" | "/backs") => {
                let key = asked.header("idempotency-key").unwrap_or_default().to_owned();
                if let Some((number, body)) = self.known.get(&key) {
                    if *body != asked.body {
                        self.changed.push(key);
                    }
                    return say(200, format!("D-{number}"));
                }
                let number = self.effect(asked);
                self.known.insert(key, (number, asked.body.clone()));
                say(201, format!("D-{number}"))
            }
            ("POST", "/drops" | "/outs" | "/labels") => {
                let number = self.effect(asked);
                say(201, format!("D-{number}"))
            }
            ("GET", "/arrivals") => {
                let after = query.split('&').find_map(|pair| pair.strip_prefix("after="));
                let after: usize = after.and_then(|text| text.parse().ok()).unwrap_or(0);
                say(200, self.arrivals.get(after..).unwrap_or_default().join("\n"))
            }
            ("GET", path) if path.starts_with("/weights/") => say(200, "2.50"),
            ("GET", path) => match path.rsplit_once('/') {
                Some((at @ ("/outs" | "/labels"), id)) => {
                    let mark = format!("id={id} ");
                    let of =
                        |(path, body): &(String, String)| path == at && body.starts_with(&mark);
                    match self.effects.iter().position(of) {
                        Some(at) => say(200, format!("D-{}", at + 1)),
                        None => say(404, "not here"),
                    }
                }
                _ => say(400, format!("the depot has no {path}")),
            },
            _ => say(400, format!("the depot has no {}", asked.path)),
        }
    }

    fn effect(&mut self, asked: &Asked) -> usize {
        self.effects.push((asked.path.clone(), asked.body.clone()));
        self.effects.len()
    }
}
