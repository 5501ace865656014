//! Who may send: keys and signatures of clients, the routes that are theirs, what they are known by
//! afterwards, and budgets that they cannot spend for each other.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::depot::Depot;
use crate::support::http::Answer;
use crate::support::runtime::{Runtime, parcel};
use crate::support::setup::Setup;

const SHOP: &str = "key-of-the-shop-0123456789";
const NEXT: &str = "key-of-the-shop-next-year-01";
const PORTAL: &str = "key-of-the-portal-0123456789";
const SIGNING: &str = "secret-of-the-edi-gateway";

/// A route that keeps who sent the message, as an expression sees it.
fn route(name: &str, more: &str) -> String {
    format!(
        r#"
[route]
name = "{name}"
owner = "yard"
[from.http]
path = "/{name}"
accept = "acme:depot/parcels.parcel@1"
{more}
[keys]
sender = "meta.client"
[[step]]
name = "stored"
call = "depot.store"
with = "message"
"#
    )
}

const KEYED: &str = "key = \"headers['idempotency-key']\"";

const CLIENTS: &str = r#"
[clients.shop]
key = [{ env = "T_SHOP" }, { env = "T_NEXT" }]
routes = ["orders", "returns"]
[clients.portal]
key = { env = "T_PORTAL" }
[clients.edi]
hmac = { secret = { env = "T_SIGNING" } }
"#;

fn secrets(setup: Setup) -> Setup {
    setup.env("T_SHOP", SHOP).env("T_NEXT", NEXT).env("T_PORTAL", PORTAL).env("T_SIGNING", SIGNING)
}

fn with_clients(depot: &Depot) -> Setup {
    secrets(Setup::with_depot(&depot.system).tables(CLIENTS))
        .route("orders", &route("orders", ""))
        .route("returns", &route("returns", KEYED))
        .route("stock", &route("stock", ""))
}

fn send(runtime: &Runtime, path: &str, key: &str, id: &str) -> Answer {
    runtime.send("POST", path, &[("X-Api-Key", key)], &parcel(id))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn sign(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SIGNING.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As the EDI gateway sends it: signed with its time, its path and its key.
fn signed(runtime: &Runtime, path: &str, at: u64, key: Option<&str>, body: &str) -> Answer {
    let signature = sign(&format!("{at}.POST.{path}.{}.{body}", key.unwrap_or_default()));
    deliver(runtime, path, at, key, body, &signature)
}

fn deliver(
    runtime: &Runtime,
    path: &str,
    at: u64,
    key: Option<&str>,
    body: &str,
    signature: &str,
) -> Answer {
    let at = at.to_string();
    let mut headers =
        vec![("X-Client-Id", "edi"), ("X-Timestamp", &at), ("X-Signature", signature)];
    headers.extend(key.map(|key| ("Idempotency-Key", key)));
    runtime.send("POST", path, &headers, body)
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.json()["type"], format!("urn:crossdock:problem:{kind}"), "{answer:?}");
}

#[test]
fn a_client_is_let_in_by_its_key_and_known_everywhere() {
    let depot = Depot::start();
    let runtime = with_clients(&depot).env("CROSSDOCK_LOG", "debug").start();
    let id = send(&runtime, "/orders", SHOP, "P-1").exchange();
    let next = send(&runtime, "/orders", NEXT, "P-2").exchange();
    let bearer = [("Authorization", format!("bearer {PORTAL}"))];
    let bearer = bearer.each_ref().map(|(name, value)| (*name, value.as_str()));
    let portal = runtime.send("POST", "/stock", &bearer, &parcel("P-3")).exchange();
    for (id, client) in [(&id, "shop"), (&next, "shop"), (&portal, "portal")] {
        assert_eq!(runtime.end_of(id), "done");
        let shown = runtime.exchange(id);
        assert_eq!(shown["client"], client);
        assert_eq!(shown["keys"]["sender"], client, "meta.client in an expression");
    }
    let found = runtime.get("/v1/exchanges?client=shop");
    assert_eq!(found["exchanges"].as_array().unwrap().len(), 2, "{found:#}");
    let trace = runtime.cli(&["trace", &portal]);
    assert!(trace.out.contains("from http:/stock by portal"), "{trace:?}");
    let log = runtime.log();
    assert!(log.contains("let in") && log.contains("client=\"portal\""), "{log}");
    for key in [SHOP, NEXT, PORTAL] {
        assert!(!log.contains(key) && !trace.out.contains(key), "a key is shown");
    }
}

#[test]
fn whoever_is_not_known_or_not_allowed_is_told_so_and_leaves_nothing() {
    let depot = Depot::start();
    let runtime = with_clients(&depot).start();
    let nobody = runtime.post("/orders", &parcel("P-1"));
    assert_refused(&nobody, 401, "client");
    assert_eq!(nobody.header("www-authenticate"), Some("Bearer"));
    for key in ["", "x", &SHOP[1..], &format!("{SHOP}0"), &SHOP.to_uppercase()] {
        assert_refused(&send(&runtime, "/orders", key, "P-1"), 401, "client");
    }
    let other = send(&runtime, "/stock", SHOP, "P-1");
    assert_refused(&other, 403, "not-allowed");
    // Before its body is looked at: a stranger learns nothing of contracts.
    assert_refused(&runtime.post("/orders", "nonsense"), 401, "client");
    for route in ["orders", "stock"] {
        assert_eq!(runtime.of_route(route).len(), 0);
    }
    assert_eq!(depot.system.asked().len(), 0);
    let metrics = runtime.ask("/metrics").body;
    for line in [
        "crossdock_turned_away_total{route=\"orders\",reason=\"unknown\"} 7",
        "crossdock_turned_away_total{route=\"stock\",reason=\"not-allowed\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    let log = runtime.log();
    assert!(log.contains("a caller was turned away"), "{log}");
    assert!(log.contains("a client was turned away") && log.contains("[clients.shop]"), "{log}");
}

#[test]
fn a_signed_message_is_good_once_for_one_path_and_a_while() {
    let depot = Depot::start();
    let mut runtime = with_clients(&depot).start();
    let body = parcel("P-1");
    let at = now();
    let id = signed(&runtime, "/orders", at, None, &body).exchange();
    assert_eq!(runtime.exchange(&id)["client"], "edi");
    // Whoever overheard it gets the same answer and no second exchange, in other dress too, and
    // over a crash.
    let signature = sign(&format!("{at}.POST./orders..{body}"));
    runtime.crash();
    for dress in [signature.clone(), signature.to_uppercase(), format!("sha256={signature}")] {
        assert_eq!(deliver(&runtime, "/orders", at, None, &body, &dress).exchange(), id);
    }
    for (what, answer) in [
        ("another path", deliver(&runtime, "/stock", at, None, &body, &signature)),
        ("another key", deliver(&runtime, "/orders", at, Some("k"), &body, &signature)),
        ("another body", deliver(&runtime, "/orders", at, None, &parcel("P-2"), &signature)),
        ("another time", deliver(&runtime, "/orders", at + 1, None, &body, &signature)),
        ("no signature", deliver(&runtime, "/orders", at, None, &body, "")),
        ("long ago", signed(&runtime, "/orders", at - 400, None, &body)),
        ("the future", signed(&runtime, "/orders", at + 400, None, &body)),
    ] {
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
    }
    let unsigned = [("X-Client-Id", "shop")];
    let answer = runtime.send("POST", "/orders", &unsigned, &body);
    assert_eq!(answer.status, 401, "a name alone is nobody");
    assert_eq!(runtime.of_route("orders").len(), 1);
    // Signed anew it is another message; under a key of its own, the same.
    assert_ne!(signed(&runtime, "/orders", at - 1, None, &body).exchange(), id);
    let kept = signed(&runtime, "/returns", at, Some("k-1"), &body).exchange();
    assert_eq!(signed(&runtime, "/returns", at - 1, Some("k-1"), &body).exchange(), kept);
}

#[test]
fn a_key_of_a_message_is_its_senders_and_older_ones_stay_known() {
    let depot = Depot::start();
    let routes = |setup: Setup| setup.route("returns", &route("returns", KEYED));
    let mut runtime = routes(secrets(Setup::with_depot(&depot.system))).start();
    let keyed = |runtime: &Runtime, key: &str, message: &str, id: &str| {
        let headers = [("X-Api-Key", key), ("Idempotency-Key", message)];
        runtime.send("POST", "/returns", &headers, &parcel(id))
    };
    // Before there are clients, a key is the route's.
    let old = keyed(&runtime, SHOP, "k-old", "P-0").exchange();
    assert_eq!(keyed(&runtime, PORTAL, "k-old", "P-0").exchange(), old);
    runtime.kill();
    runtime.setup.add_tables(&CLIENTS.replace("\"orders\", ", ""));
    runtime.start_again();
    assert_eq!(keyed(&runtime, SHOP, "k-old", "P-0").exchange(), old, "kept over the change");
    assert_refused(&keyed(&runtime, SHOP, "k-old", "P-9"), 422, "key-reused");
    let shop = keyed(&runtime, SHOP, "k-1", "P-1").exchange();
    let portal = keyed(&runtime, PORTAL, "k-1", "P-2").exchange();
    assert_ne!(shop, portal, "two clients may use the same key");
    assert_eq!(keyed(&runtime, NEXT, "k-1", "P-1").exchange(), shop, "a client, not a key of it");
    assert_refused(&keyed(&runtime, PORTAL, "k-1", "P-1"), 422, "key-reused");
    runtime.ended("returns", "done", 3);
    assert_eq!(runtime.of_route("returns").len(), 3);
}

#[test]
fn budgets_are_counted_by_client_and_said_on_every_answer() {
    let depot = Depot::start();
    let runtime = secrets(Setup::with_depot(&depot.system).tables(CLIENTS))
        .tables("[limits.door]\nrate = \"1/min\"\nburst = 3\n[limits.partners]\nrate = \"1/h\"\nburst = 10\n[clients.small]\nkey = { env = \"T_SMALL\" }\nlimit = \"partners\"")
        .env("T_SMALL", "key-of-a-small-partner-01")
        .listen("open = [\"returns\"]")
        .route("orders", &route("orders", "limit = \"door\""))
        .route("returns", &route("returns", "limit = \"door\""))
        .start();
    for left in (0..3).rev() {
        // What breaks its contract counts as well, and is told how it stands.
        let answer = runtime.send("POST", "/orders", &[("X-Api-Key", SHOP)], "{}");
        assert_eq!(answer.status, 422);
        let now = answer.header("ratelimit").unwrap();
        assert!(now.starts_with(&format!("\"door\";r={left};t=")), "{now}");
        assert_eq!(answer.header("ratelimit-policy"), Some("\"door\";q=1;w=60"));
    }
    let over = send(&runtime, "/orders", SHOP, "P-1");
    assert_refused(&over, 429, "rate-limit");
    let after: u64 = over.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{over:?}");
    assert_eq!(send(&runtime, "/orders", PORTAL, "P-1").status, 202, "a budget of its own");
    let both = send(&runtime, "/orders", "key-of-a-small-partner-01", "P-2");
    let now = both.header("ratelimit").unwrap();
    assert!(now.contains("\"door\";r=2;") && now.contains("\"partners\";r=9;"), "{now}");
    assert_eq!(both.header("ratelimit-policy"), Some("\"door\";q=1;w=60, \"partners\";q=1;w=3600"));
    // Who guesses keys spends the budget of its address, as does whoever need not say who it is.
    assert_eq!(runtime.post("/returns", &parcel("P-3")).status, 202);
    for left in (0..2).rev() {
        let guess = send(&runtime, "/orders", "guess", "P-4");
        assert_eq!(guess.status, 401);
        assert!(guess.header("ratelimit").unwrap().contains(&format!("r={left};")), "{guess:?}");
    }
    assert_refused(&send(&runtime, "/orders", "guess", "P-4"), 429, "rate-limit");
    assert_eq!(runtime.post("/returns", &parcel("P-5")).status, 429);
    assert_eq!(
        send(&runtime, "/returns", PORTAL, "P-6").status,
        202,
        "a client is not its address"
    );
}

#[test]
fn an_open_route_takes_from_anybody_and_still_knows_its_clients() {
    let depot = Depot::start();
    let runtime = secrets(Setup::with_depot(&depot.system).tables(CLIENTS))
        .listen("open = [\"stock\"]")
        .route("orders", &route("orders", ""))
        .route("returns", &route("returns", ""))
        .route("stock", &route("stock", ""))
        .start();
    let anybody = runtime.post("/stock", &parcel("P-1")).exchange();
    assert!(runtime.exchange(&anybody)["client"].is_null());
    let portal = send(&runtime, "/stock", PORTAL, "P-2").exchange();
    assert_eq!(runtime.exchange(&portal)["client"], "portal");
    assert_eq!(send(&runtime, "/stock", "no key at all", "P-3").status, 401, "a key must be right");
    assert_eq!(runtime.post("/orders", &parcel("P-4")).status, 401);
}

#[test]
fn what_would_let_in_nobody_or_everybody_does_not_start() {
    const HERE: &str = "127.0.0.1:0";
    const EVERYWHERE: &str = "0.0.0.0:0";
    let depot = Depot::start();
    let setup = || Setup::with_depot(&depot.system).route("orders", &route("orders", ""));
    let file = setup().crossdock(&["check"], EVERYWHERE, HERE);
    assert_eq!(file.code, Some(2), "{file:?}");
    assert!(file.err.contains("CD0025") && file.err.contains("open = [\"orders\"]"), "{file:?}");
    let run = setup().crossdock(&["run"], EVERYWHERE, HERE);
    assert_eq!(run.code, Some(2), "{run:?}");
    let open = setup().listen("open = [\"*\"]").crossdock(&["check"], EVERYWHERE, HERE);
    assert_eq!(open.code, Some(0), "{open:?}");
    let client = "[clients.shop]\nkey = { env = \"T_KEY\" }\n";
    for (tables, key, code, reason) in [
        (client.to_owned(), None, 3, "T_KEY, which holds a secret, is not set"),
        (client.to_owned(), Some("short"), 2, "could be guessed"),
        (format!("{client}routes = [\"order\"]"), Some(SHOP), 2, "did you mean `orders`?"),
        (
            format!("{client}[clients.two]\nkey = {{ env = \"T_KEY\" }}"),
            Some(SHOP),
            2,
            "[clients.shop] too",
        ),
        (
            "[clients.edi.hmac]\nsecret = { env = \"T_KEY\" }\nsigns = \"{body}\"".to_owned(),
            Some(SHOP),
            2,
            "leaves out {timestamp}",
        ),
    ] {
        let mut setup = setup().tables(&tables);
        if let Some(key) = key {
            setup = setup.env("T_KEY", key);
        }
        let said = setup.crossdock(&["run"], HERE, HERE);
        assert_eq!(said.code, Some(code), "{tables}: {said:?}");
        assert!(said.err.contains(reason), "{tables}: {said:?}");
        assert!(key.is_none_or(|key| !said.err.contains(&format!("`{key}`"))), "{said:?}");
    }
}
