//! Credentials: an API key, and email with password for tokens that end within the suite.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use product_suite::{Connector, Http, Runtime, told, wait_for};
use serde_json::json;

use super::{booked, fresh, identity, settings_with, shipment};

const WHERE: &str = r#"
[route]
name = "where"
owner = "transport"
[from.http]
method = "POST"
path = "/where"
accept = "any"
[[step]]
name = "found"
call = "tms.track-shipment"
with = { company = "'crossdock'", shipment = { id = "message.id", references = [] } }
"#;

/// Longer than an access token of this Karrio lives.
const EXPIRED: Duration = Duration::from_secs(22);
const AT_ONCE: usize = 10;

fn login(password: &str) -> String {
    format!(
        r#"auth = {{ kind = "token-login", path = "/api/token", user_field = "email", user = {:?}, password = {{ env = "{password}" }} }}"#,
        told("KARRIO_EMAIL")
    )
}

#[test]
fn a_token_that_ends_is_renewed_once_for_all() {
    let id = fresh("S");
    booked(&shipment(&id));
    let (address, logins) = counted();
    let settings = settings_with(&address, &login("KARRIO_PASSWORD"));
    let runtime = Runtime::start("tms", "karrio", &settings, &[("where", WHERE)]);
    for round in 1..=2 {
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    let http = Http::new(runtime.http.clone());
                    assert_eq!(http.post("/where", &json!({"id": id})).status, 202);
                });
            }
        });
        wait_for("all answers", || {
            let done = runtime.exchanges("where");
            let done = done.iter().filter(|exchange| exchange["end"] == "done").count();
            (done == round * AT_ONCE).then_some(())
        });
        assert_eq!(logins.load(Ordering::Relaxed), round);
        if round == 1 {
            std::thread::sleep(EXPIRED);
        }
    }
}

#[test]
fn what_karrio_refuses_to_know_is_said() {
    let tms =
        |auth: &str| Connector::new("tms", "karrio", &settings_with(&told("KARRIO_URL"), auth));
    let key = r#"auth = { kind = "header", name = "Authorization", prefix = "Token ", value = { env = "KARRIO_EMAIL" } }"#;
    let input = json!({"company": "crossdock", "shipment": identity("S-1")});
    // Without the right password there is no token to refresh: no request is made.
    let refused = [
        (login("KARRIO_EMAIL"), "upstream-credentials", "never", None),
        (key.to_owned(), "unauthorised", "refresh-auth", Some(401)),
    ];
    for (auth, code, retry, status) in refused {
        let fault = tms(&auth).call("track-shipment", &input).expect_err("no answer");
        let said = (fault.code.as_str(), fault.retry.as_str(), fault.status);
        assert_eq!(said, (code, retry, status), "{fault:?}");
        assert!(!fault.message.contains(&told("KARRIO_EMAIL")), "{fault:?}");
    }
}

/// Karrio by another address, where logins are counted.
fn counted() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let logins = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&logins);
    let karrio = told("KARRIO_URL").trim_start_matches("http://").to_owned();
    std::thread::spawn(move || {
        for guest in listener.incoming().map_while(Result::ok) {
            let host = TcpStream::connect(&karrio).expect("Karrio listens");
            let back = (host.try_clone().expect("a socket"), guest.try_clone().expect("a socket"));
            let counter = Arc::clone(&counter);
            std::thread::spawn(move || copy(guest, host, Some(&counter)));
            std::thread::spawn(move || copy(back.0, back.1, None));
        }
    });
    (format!("http://{address}"), logins)
}

fn copy(mut from: TcpStream, mut to: TcpStream, logins: Option<&AtomicUsize>) {
    let mut bytes = [0; 65536];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if bytes[..read].starts_with(b"POST /api/token")
            && let Some(logins) = logins
        {
            logins.fetch_add(1, Ordering::Relaxed);
        }
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}
