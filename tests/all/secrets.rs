//! The bytes of a configured secret are in no guest's reach, and in no log, journal, answer or error.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::depot::Depot;
use crate::support::http::send;
use crate::support::runtime::Runtime;
use crate::support::setup::Setup;
use crate::support::system::{Say, System};

const BEARER: &str = "bearer-of-the-victim-7f3a";
const PASSWORD: &str = "password-of-the-depot-91bc";
const SIGNING: &str = "signing-key-of-the-rogue-44de";
const WEBHOOK: &str = "webhook-secret-of-the-depot-d00d";
const ADMIN: &str = "admin-token-of-the-runtime-0b1e";
const CLIENT: &str = "api-key-of-the-client-5c2a";
const GATEWAY: &str = "hmac-secret-of-the-gateway-88e1";
const ALL: [&str; 7] = [BEARER, PASSWORD, SIGNING, WEBHOOK, ADMIN, CLIENT, GATEWAY];

/// All there is to say, but for the compiler's hundred megabytes.
const LOG: &str = "trace,cranelift_codegen=off,cranelift_frontend=off,regalloc2=off,\
                   wasmtime_internal_cranelift=off";

const ROGUE: &str = r#"
[route]
name = "rogue"
owner = "security"
[from.http]
path = "/rogue"
accept = "acme:hostile/acts.order@1"
reply = { step = "act", timeout = "60s" }
[keys]
what = "message.what"
[[step]]
name = "act"
call = "rogue.look"
with = "message"
retry = "none"
"#;

const STORE: &str = r#"
[route]
name = "storing"
owner = "yard"
[from.http]
path = "/parcels"
accept = "acme:depot/parcels.parcel@1"
[[step]]
name = "stored"
call = "depot.store"
with = "message"
retry = "none"
"#;

const NOTICES: &str = r#"
[route]
name = "notices"
owner = "yard"
[from.webhook]
connector = "depot"
operation = "take-notice"
path = "/webhooks/depot"
"#;

/// A system that tells everybody what it was told, headers and all.
fn gossip(status: u16) -> System {
    System::start(move |asked| {
        let told = format!("{} {} {:?} {}", asked.method, asked.path, asked.headers, asked.body);
        Say::This(status, vec![("x-told", told.clone())], told)
    })
}

/// A secret in every dress that it might be shown in.
fn dresses(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let quoted: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
    vec![
        secret.to_owned(),
        secret.to_uppercase(),
        STANDARD.encode(secret),
        STANDARD.encode(format!("yard:{secret}")),
        hex,
        quoted.join(", "),
    ]
}

fn assert_clean(place: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for secret in ALL {
        for dress in dresses(secret) {
            assert!(!text.contains(&dress), "{place} shows {secret} as `{dress}`");
        }
    }
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files_below(&path)),
            path => found.push(path),
        }
    }
    found
}

fn start(victim: &System, depot: &System) -> Runtime {
    Setup::new()
        .listen("admin_token = { env = \"T_ADMIN\" }\nopen = [\"*\"]")
        .tables("[clients.shop]\nkey = { env = \"T_CLIENT\" }\nhmac = { secret = { env = \"T_GATEWAY\" } }")
        .connector(
            "rogue",
            "hostile",
            "config = { company = \"acme\" }\nsecrets = { key = { env = \"T_SIGNING\" } }",
        )
        .connector(
            "depot",
            "depot",
            "webhook = { verify = \"stripe\", secret = { file = \"webhook.key\" } }",
        )
        .upstream("victim", victim, "auth = { kind = \"bearer\", token = { env = \"T_BEARER\" } }")
        .upstream(
            "depot",
            depot,
            "auth = { kind = \"basic\", user = \"yard\", password = { env = \"T_PASSWORD\" } }",
        )
        .route("rogue", ROGUE)
        .route("storing", STORE)
        .route("notices", NOTICES)
        .env("T_ADMIN", ADMIN)
        .env("T_CLIENT", CLIENT)
        .env("T_GATEWAY", GATEWAY)
        .env("T_SIGNING", SIGNING)
        .env("T_BEARER", BEARER)
        .env("T_PASSWORD", PASSWORD)
        .env("CROSSDOCK_LOG", LOG)
        .with_file("webhook.key", &format!("{WEBHOOK}\n"))
        .start()
}

#[test]
fn no_secret_is_shown_anywhere() {
    let victim = gossip(200);
    let depot = gossip(401);
    let mut runtime = start(&victim, &depot);
    let token = format!("Bearer {ADMIN}");
    let admin = |runtime: &Runtime, path: &str| {
        send(runtime.admin, "GET", path, &[("authorization", &token)], "").unwrap()
    };
    let mut seen = Vec::new();
    // The guest that shows all that it can see; what it prints goes to the log as well.
    for (what, arg) in [
        ("see", ""),
        ("log", "hello"),
        ("http", "GET http://victim/mirror x-own:1"),
        ("http", "POST http://victim/mirror"),
        ("sign", "key"),
        ("trap", "now"),
        ("http", "GET http://elsewhere.example/"),
    ] {
        let body = json!({ "what": what, "arg": arg }).to_string();
        let answer = runtime.post("/rogue", &body);
        if what == "see" {
            assert!(answer.body.contains("/mirror"), "it did reach its system: {answer:?}");
            assert!(answer.body.contains(r#"config {\"company\":\"acme\"}"#), "{answer:?}");
        }
        seen.push((format!("answer to {what}"), format!("{answer:?}")));
    }
    // A client's key: good, and in a request that is refused for another reason.
    let body = json!({ "what": "see", "arg": "" }).to_string();
    let bearer = format!("Bearer {CLIENT}");
    for header in [("X-Api-Key", CLIENT), ("Authorization", &bearer)] {
        let answer = runtime.send("POST", "/rogue", &[header], &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        seen.push((format!("answer to a client's {}", header.0), format!("{answer:?}")));
        let refused = runtime.send("POST", "/rogue", &[header], "nonsense");
        assert_eq!(refused.status, 422);
        seen.push(("a refusal of a client".to_owned(), format!("{refused:?}")));
    }
    let unsigned = [("X-Client-Id", "shop"), ("X-Signature", "00"), ("X-Timestamp", "1")];
    let unsigned = runtime.send("POST", "/rogue", &unsigned, &body);
    assert_eq!(unsigned.status, 401);
    seen.push(("a forged signature's answer".to_owned(), format!("{unsigned:?}")));
    // The system was told, so there was something to hide.
    let told = format!("{:?}", victim.asked());
    assert!(told.contains(&format!("Bearer {BEARER}")), "{told}");
    // A refusal that quotes the credentials becomes a fault, an exception, a journalled outcome.
    let refused = runtime.parcel("/parcels", "P-1");
    crate::support::wait_until("exception of the refused call", || {
        admin(&runtime, &format!("/v1/exceptions/{refused}")).status == 200
    });
    let told = format!("{:?}", depot.asked());
    assert!(told.contains(&STANDARD.encode(format!("yard:{PASSWORD}"))), "{told}");
    let forged = [("stripe-signature", "t=1,v1=00")];
    let forged = runtime.send("POST", "/webhooks/depot", &forged, "N-1");
    assert_eq!(forged.status, 401);
    seen.push(("a forged webhook's answer".to_owned(), format!("{forged:?}")));
    let nobody = send(runtime.admin, "GET", "/v1/routes", &[("authorization", "Bearer x")], "");
    let nobody = nobody.unwrap();
    assert_eq!(nobody.status, 401);
    seen.push(("an unauthorised answer".to_owned(), format!("{nobody:?}")));
    for path in [
        "/v1/exchanges",
        "/v1/exceptions",
        "/v1/tasks",
        "/v1/routes",
        "/v1/connectors",
        "/metrics",
        "/v1/timeline/what/see",
        "/v1/timeline/what/http",
        &format!("/v1/exchanges/{refused}"),
        &format!("/v1/exceptions/{refused}"),
    ] {
        let answer = admin(&runtime, path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        seen.push((path.to_owned(), format!("{answer:?}")));
    }
    for arguments in [
        &["check"][..],
        &["trace", "what=see", "--json"],
        &["exceptions", "list"],
        &["exceptions", "show", &refused],
        &["connector", "call", "rogue", "look", r#"{"what":"see","arg":""}"#],
        &["connector", "call", "depot", "weigh", r#"{"id":"P-1"}"#],
    ] {
        seen.push((format!("{arguments:?}"), format!("{:?}", runtime.cli(arguments))));
    }
    runtime.kill();
    seen.push(("the log".to_owned(), runtime.log()));
    assert!(runtime.log().contains("stdout"), "the guest's own lines are in the log");
    for (place, text) in &seen {
        assert_clean(place, text.as_bytes());
    }
    let files = files_below(&runtime.setup.path().join("data"));
    assert!(files.iter().any(|file| file.ends_with("journal.db")), "{files:?}");
    let mut journalled = 0;
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        journalled += String::from_utf8_lossy(&bytes).matches("/mirror").count();
        assert_clean(&file.display().to_string(), &bytes);
    }
    assert!(journalled > 0, "what the guest saw is in the journal, without the secrets");
}

#[test]
fn a_secret_written_in_place_is_refused_without_being_repeated() {
    let depot = Depot::start();
    let auth = format!("auth = {{ kind = \"bearer\", token = \"{BEARER}\" }}");
    let setup = Setup::new().upstream("depot", &depot.system, &auth);
    let said = setup.crossdock(&["check"], "127.0.0.1:0", "127.0.0.1:0");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("a secret is named, never written"), "{said:?}");
    let setup = Setup::with_depot(&depot.system);
    let setup = setup.tables("[connectors.depot.config]\napi_token = \"x\"");
    let said = setup.crossdock(&["check"], "127.0.0.1:0", "127.0.0.1:0");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("config.api_token looks like a secret"), "{said:?}");
}

#[test]
fn a_secret_that_is_not_there_is_named_and_check_needs_none() {
    let depot = Depot::start();
    let auth = "auth = { kind = \"bearer\", token = { env = \"T_NOWHERE\" } }";
    let setup = Setup::new().connector("depot", "depot", "").upstream("depot", &depot.system, auth);
    let checked = setup.crossdock(&["check"], "127.0.0.1:0", "127.0.0.1:0");
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let run = setup.crossdock(&["run"], "127.0.0.1:0", "127.0.0.1:0");
    assert_ne!(run.code, Some(0), "{run:?}");
    assert!(run.err.contains("T_NOWHERE") && run.err.contains("[upstreams.depot]"), "{run:?}");
}
