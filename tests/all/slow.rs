//! Callers that are slow, silent or too many, on real sockets: their connections are closed in time,
//! and everybody else is served all the while.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::depot::Depot;
use crate::support::runtime::{Runtime, parcel};
use crate::support::setup::Setup;
use crate::support::wait_until;

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
"#;

/// Far beyond what a test waits for: the other times must be what closes a connection.
const LONG: &str = "300s";

fn with(depot: &Depot, keys: &[(&str, &str)]) -> Runtime {
    let mut setup = Setup::with_depot(&depot.system).route("storing", STORE);
    for key in ["read_timeout", "write_timeout", "idle_timeout", "handshake_timeout"] {
        let own = keys.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        setup = setup.listen(&format!("{key} = \"{}\"", own.unwrap_or(LONG)));
    }
    for (key, value) in keys.iter().filter(|(key, _)| !key.ends_with("timeout")) {
        setup = setup.listen(&format!("{key} = {value}"));
    }
    setup.start()
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&to, PATIENCE).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What is said until the connection is closed; that it stays open is a failed test.
#[track_caller]
fn until_closed(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[track_caller]
fn assert_served(runtime: &Runtime) {
    let id = runtime.parcel("/parcels", "P-1");
    assert_eq!(runtime.end_of(&id), "done");
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    let depot = Depot::start();
    let runtime = with(&depot, &[("read_timeout", "700ms")]);
    let mut silent = connect(runtime.http);
    let mut half = connect(runtime.http);
    half.write_all(b"POST /parcels HTTP/1.1\r\nhost: x\r\n").unwrap();
    // A byte now and then does not buy more time.
    let mut trickle = connect(runtime.http);
    trickle.set_nodelay(true).unwrap();
    let begun = Instant::now();
    assert_served(&runtime);
    assert_eq!(until_closed(&mut silent), "");
    assert_eq!(until_closed(&mut half), "");
    trickle.write_all(b"POST /parcels HTTP/1.1\r\nx-long: ").ok();
    wait_until("end of the trickle", || trickle.write_all(b"x").is_err());
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_served(&runtime);
}

#[test]
fn a_pause_between_requests_has_a_time_of_its_own() {
    let depot = Depot::start();
    let runtime = with(&depot, &[("read_timeout", "500ms"), ("idle_timeout", "2s")]);
    let mut stream = connect(runtime.http);
    let request = b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n";
    let answer = |stream: &mut TcpStream| {
        let mut bytes = [0; 4096];
        let read = stream.read(&mut bytes).expect("an answer");
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    };
    stream.write_all(request).unwrap();
    assert!(answer(&mut stream).starts_with("HTTP/1.1 404"));
    // Longer than a head may take: what is under test is that this is no head.
    std::thread::sleep(Duration::from_millis(1000));
    stream.write_all(request).unwrap();
    assert!(answer(&mut stream).starts_with("HTTP/1.1 404"), "still open");
    let begun = Instant::now();
    assert_eq!(until_closed(&mut stream), "");
    assert!(begun.elapsed() >= Duration::from_millis(1500), "{:?}", begun.elapsed());
}

#[test]
fn a_body_that_does_not_come_is_answered_408() {
    let depot = Depot::start();
    let runtime = with(&depot, &[("read_timeout", "700ms"), ("idle_timeout", "1s")]);
    let mut stream = connect(runtime.http);
    let head = "POST /parcels HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(b"{\"id\": ").unwrap();
    let said = until_closed(&mut stream);
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    assert!(said.contains("urn:crossdock:problem:body-slow"), "{said}");
    assert_eq!(runtime.of_route("storing").len(), 0);
}

#[test]
fn a_body_below_the_least_rate_is_not_waited_for() {
    let depot = Depot::start();
    let runtime = with(&depot, &[("rate_min_bytes", "1000")]);
    let mut stream = connect(runtime.http);
    stream.set_nodelay(true).unwrap();
    let body = parcel("P-2");
    let head =
        format!("POST /parcels HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body.as_bytes()[..20]).unwrap();
    let mut said = [0; 4096];
    let read = stream.read(&mut said).expect("an answer long before the body's whole time");
    let said = String::from_utf8_lossy(&said[..read]);
    assert!(said.starts_with("HTTP/1.1 408") && said.contains("1000 bytes a second"), "{said}");
}

#[test]
fn an_answer_that_nobody_reads_is_not_kept_for_ever() {
    let depot = Depot::start();
    let runtime = with(&depot, &[("write_timeout", "1s")]);
    let mut stream = connect(runtime.http);
    let request = "GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100);
    // Answers fill the buffers on the way, then stand before a reader who does not read.
    let ended = loop {
        if let Err(error) = stream.write_all(request.as_bytes()) {
            break error;
        }
    };
    assert!(
        matches!(ended.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        "it is not closed: {ended}"
    );
    assert_served(&runtime);
}

#[test]
fn connections_are_counted_in_all_and_by_address() {
    let depot = Depot::start();
    for key in ["connections_per_address_max", "connections_max"] {
        let runtime = with(&depot, &[(key, "3")]);
        let mut held: Vec<TcpStream> = (0..3).map(|_| connect(runtime.http)).collect();
        // They count from when the server has taken them, in order.
        let mut over = connect(runtime.http);
        assert_eq!(until_closed(&mut over), "", "{key}");
        let log = || runtime.log().contains(&format!("limit=\"{key}\""));
        wait_until("word of it in the log", log);
        drop(held.pop());
        // Its place is free when the server has seen it go.
        wait_until("room again", || {
            let post =
                crate::support::http::send(runtime.http, "POST", "/parcels", &[], &parcel("P-1"));
            post.is_ok_and(|answer| answer.status == 202)
        });
        // The admin has a listener of its own: it is not shut out.
        assert_eq!(runtime.ask("/healthz").status, 200);
    }
}
