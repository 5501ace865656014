//! HTTPS both ways: our listeners with a certificate of the admin's, the command line that trusts it,
//! and systems outside that prove themselves by an authority of their own, and us by a signature.

use std::io::Read;
use std::net::TcpStream;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::support::PATIENCE;
use crate::support::certificate::{Authority, Certificate};
use crate::support::depot::Depot;
use crate::support::http::send;
use crate::support::runtime::parcel;
use crate::support::setup::Setup;
use crate::support::wait_until;

const STORE: &str = r#"
[route]
name = "storing"
owner = "yard"
[from.http]
path = "/parcels"
accept = "acme:depot/parcels.parcel@1"
reply = { step = "stored", timeout = "60s" }
[[step]]
name = "stored"
call = "depot.store"
with = "message"
"#;

const TLS: &str = "tls = { certificate = \"chain.pem\", key = { file = \"key.pem\" } }";

fn with(setup: Setup, certificate: &Certificate) -> Setup {
    setup
        .with_file("chain.pem", &certificate.chain)
        .with_file("key.pem", &certificate.key)
        .route("storing", STORE)
}

#[test]
fn both_listeners_speak_https_and_the_command_line_with_them() {
    let depot = Depot::start();
    let authority = Authority::new();
    let setup = with(Setup::with_depot(&depot.system).listen(TLS), &authority.sign());
    let runtime = setup.listen("handshake_timeout = \"1s\"").start();
    let (answer, protocol) =
        authority.send(runtime.http, "POST", "/parcels", &parcel("P-1")).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(protocol.as_deref(), Some(&b"http/1.1"[..]), "of what the client offered");
    let (health, _) = authority.send(runtime.admin, "GET", "/healthz", "").unwrap();
    assert_eq!(health.status, 200);
    // Plain HTTP finds nobody, and a stranger's authority trusts nobody.
    assert!(send(runtime.http, "POST", "/parcels", &[], &parcel("P-2")).is_err());
    assert!(Authority::new().send(runtime.http, "POST", "/parcels", &parcel("P-2")).is_err());
    let listed = runtime.cli(&["tasks", "list"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    // Who opens a connection and says nothing is not waited for.
    let mut silent = TcpStream::connect_timeout(&runtime.http, PATIENCE).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(silent.read(&mut [0; 64]).unwrap(), 0, "closed");
    assert_eq!(depot.effects_total(), 1);
}

#[test]
fn the_command_line_trusts_the_certificate_of_its_configuration_and_no_other() {
    let depot = Depot::start();
    let authority = Authority::new();
    // Signed by nobody whom others trust, and for another name.
    let own = authority.sign_with(|params| params.subject_alt_names.clear());
    let admin = "admin_tls = { certificate = \"chain.pem\", key = { file = \"key.pem\" } }";
    let runtime = with(Setup::with_depot(&depot.system).listen(admin), &own).start();
    assert_eq!(runtime.post("/parcels", &parcel("P-1")).status, 200, "only the admin API has TLS");
    assert_eq!(runtime.cli(&["tasks", "list"]).code, Some(0));
    runtime.setup.write("chain.pem", &authority.sign().chain);
    let other = runtime.cli(&["tasks", "list"]);
    assert_eq!(other.code, Some(3), "{other:?}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_before_anything_starts() {
    const HERE: &str = "127.0.0.1:0";
    let depot = Depot::start();
    let authority = Authority::new();
    let good = authority.sign();
    let days = |from: i32, until: i32| {
        authority.sign_with(move |params| {
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(until, 1, 1);
        })
    };
    let other = authority.sign();
    let pair = |chain: &str, key: &str| Certificate { chain: chain.into(), key: key.into() };
    for (certificate, code, reason, checked) in [
        (pair("", &good.key), 2, "holds no certificate", 2),
        (pair("nonsense", &good.key), 2, "holds no certificate", 2),
        (pair(&good.chain, "nonsense"), 2, "cannot be read", 0),
        (pair(&good.chain, &other.key), 2, "does not belong to the certificate", 0),
        (days(2019, 2020), 2, "expired at 2020-01-01", 2),
        (days(2070, 2080), 2, "holds from 2070-01-01", 2),
    ] {
        let setup = with(Setup::with_depot(&depot.system).listen(TLS), &certificate);
        let run = setup.crossdock(&["run"], HERE, HERE);
        assert_eq!(run.code, Some(code), "{reason}: {run:?}");
        assert!(run.err.contains(reason) && run.err.contains("[listen] tls"), "{reason}: {run:?}");
        let check = setup.crossdock(&["check"], HERE, HERE);
        assert_eq!(check.code, Some(checked), "without the key: {check:?}");
    }
    let missing = Setup::with_depot(&depot.system).listen(TLS).route("storing", STORE);
    let run = missing.crossdock(&["run"], HERE, HERE);
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.err.contains("chain.pem cannot be read"), "{run:?}");
}

#[test]
fn a_system_by_https_is_trusted_by_its_own_authority_only() {
    let authority = Authority::new();
    let depot = Depot::start_with(Some(authority.sign().server()), |_, _| None);
    let start = |keys: &str| {
        Setup::new()
            .connector("depot", "depot", "")
            .upstream("depot", &depot.system, keys)
            .with_file("ca.pem", &authority.pem)
            .route("storing", STORE)
    };
    let runtime = start("ca = \"ca.pem\"").start();
    let answer = runtime.post("/parcels", &parcel("P-1"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(depot.effects("/parcels", "P-1"), 1);
    // Without it the system is a stranger, and nothing is sent there.
    let stranger = start("").start();
    let id = stranger.post("/parcels", &parcel("P-2"));
    drop(id);
    wait_until("attempt that failed", || {
        let found = stranger.get("/v1/exchanges");
        found["exchanges"][0]["state"] == "waiting" || found["exchanges"][0]["state"] == "excepted"
    });
    assert_eq!(depot.effects("/parcels", "P-2"), 0);
    assert_eq!(depot.system.asked().len(), 1);
    let wrong = start("ca = \"ca.pem\"").with_file("ca.pem", "nonsense");
    let said = wrong.crossdock(&["check"], "127.0.0.1:0", "127.0.0.1:0");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.err.contains("[upstreams.depot]") && said.err.contains("no certificate"),
        "{said:?}"
    );
}

#[test]
fn a_system_that_wants_signed_requests_gets_them() {
    const SECRET: &str = "secret-between-us-and-the-depot";
    let depot = Depot::start();
    let auth = "auth = { kind = \"hmac\", header = \"x-signature\", prefix = \"v1=\", secret = { env = \"T_HMAC\" }, timestamp_header = \"x-time\", signs = \"{timestamp}.{method}.{path}.{body}\" }";
    let runtime = Setup::new()
        .connector("depot", "depot", "")
        .upstream("depot", &depot.system, auth)
        .route("storing", STORE)
        .env("T_HMAC", SECRET)
        .start();
    assert_eq!(runtime.post("/parcels", &parcel("P-1")).status, 200);
    let asked = &depot.system.asked()[0];
    let time = asked.header("x-time").expect("the time of signing");
    let text = format!("{time}.POST.{}.{}", asked.path, asked.body);
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    let expected: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(asked.header("x-signature"), Some(format!("v1={expected}").as_str()));
    assert!(!runtime.log().contains(SECRET));
}
