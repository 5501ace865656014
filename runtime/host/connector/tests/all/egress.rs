//! The way out: addresses, credentials, tokens, budgets, and what is known of a request that failed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connector::{
    Auth, BoxFuture, CallError, Connector, ConnectorConfig, Door, Heard, Limits, Permit, Refused,
    Retry, Runtime, Secret, Upstream, UpstreamOptions,
};

use crate::guests::{act, act_in, context, hostile, hostile_with, runtime};
use crate::server::{Answer, Server, say};

pub async fn with(runtime: &Runtime, options: UpstreamOptions) -> Connector {
    hostile(runtime, Some(Upstream::new("victim", options).unwrap())).await
}

fn retry(error: &CallError) -> Retry {
    error.to_fault().retry
}

#[tokio::test]
async fn a_request_is_rewritten_authenticated_and_stripped() {
    let server = Server::start(|_| say(200, "hello")).await;
    let runtime = runtime();
    let auth = Auth::Bearer { token: Secret::new("bearer-of-the-test") };
    let base = format!("{}/base/", server.url);
    let hostile = with(&runtime, UpstreamOptions::new(base, auth)).await;
    let line = "POST http://victim/a/b?c=d Authorization:Basic=guest Cookie:a=b X-Mine:yes \
                traceparent:forged Accept-Encoding:gzip";
    let answer = act(&hostile, "attack", "http", line).await.unwrap();
    assert!(answer.starts_with("200\n") && answer.ends_with("\nhello"), "{answer}");
    let asked = &server.asked()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/base/a/b?c=d"));
    assert_eq!(asked.body, b"k/1/0");
    assert_eq!(asked.header("authorization"), Some("Bearer bearer-of-the-test"));
    assert_eq!(asked.header("host"), Some(server.url.trim_start_matches("http://")));
    assert_eq!(asked.header("x-mine"), Some("yes"));
    assert_eq!(asked.header("traceparent"), Some(context("").traceparent.as_str()));
    assert_eq!((asked.header("cookie"), asked.header("accept-encoding")), (None, None));
    assert_eq!(asked.headers.iter().filter(|(name, _)| name == "authorization").count(), 1);
}

#[tokio::test]
async fn a_path_cannot_leave_the_base() {
    let server = Server::start(|_| say(200, "")).await;
    let runtime = runtime();
    let base = format!("{}/base", server.url);
    let hostile = with(&runtime, UpstreamOptions::new(base, Auth::None)).await;
    for path in ["../other", "%2e%2e/other", "a/../../other"] {
        let line = format!("GET http://victim/{path}");
        let error = act(&hostile, "look", "http", &line).await.unwrap_err();
        assert!(error.to_string().contains("Uri"), "{error}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_redirect_is_the_guests_to_see_and_not_followed() {
    let server = Server::start(|_| {
        Answer::Say(302, vec![("location", "http://evil.example/".into())], String::new())
    })
    .await;
    let runtime = runtime();
    let hostile = with(&runtime, UpstreamOptions::new(&server.url, Auth::None)).await;
    let answer = act(&hostile, "look", "http", "GET http://victim/x").await.unwrap();
    assert!(answer.starts_with("302\n") && answer.contains("evil.example"), "{answer}");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn whether_a_request_had_left_decides_what_a_failure_means() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/cut" => Answer::Cut,
        "/silence" => Answer::Silence,
        _ => say(200, ""),
    })
    .await;
    let runtime = runtime();
    let served = with(&runtime, UpstreamOptions::new(&server.url, Auth::None)).await;
    let error = async |operation: &str, what: &str, line: &str| {
        act(&served, operation, what, line).await.unwrap_err()
    };
    let later = Retry::Later { after_ms: None };
    // The guest says "later", but its request had left and nothing came back.
    let cut = error("attack", "http", "POST http://victim/cut").await;
    assert_eq!(retry(&cut), Retry::OutcomeUnknown, "{cut:?}");
    // A request that only reads has no outcome to be in doubt about; nor has a query.
    assert_eq!(retry(&error("attack", "http", "GET http://victim/cut").await), later);
    assert_eq!(retry(&error("look", "http", "POST http://victim/cut").await), later);
    assert_eq!(retry(&error("look", "http-unknown", "POST http://victim/cut").await), later);
    // A trap after an answered request: something may have happened.
    let trapped = error("attack", "http-then-trap", "POST http://victim/ok").await;
    assert!(matches!(trapped, CallError::Trap { sent: true, .. }), "{trapped:?}");
    assert_eq!(retry(&trapped), Retry::OutcomeUnknown);
    let trapped = error("attack", "http-then-trap", "GET http://victim/ok").await;
    assert!(matches!(trapped, CallError::Trap { sent: false, .. }), "{trapped:?}");
    // Time runs out under way.
    let mut hasty = context("k");
    hasty.timeout = Duration::from_millis(400);
    let silent = act_in(&served, "attack", "http", "POST http://victim/silence", hasty).await;
    let silent = silent.unwrap_err();
    assert_eq!(retry(&silent), Retry::OutcomeUnknown, "{silent:?}");
}

#[tokio::test]
async fn a_refused_connection_leaves_no_doubt() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let runtime = runtime();
    let hostile =
        with(&runtime, UpstreamOptions::new(format!("http://{closed}"), Auth::None)).await;
    let later = Retry::Later { after_ms: None };
    for what in ["http", "http-unknown"] {
        let error = act(&hostile, "attack", what, "POST http://victim/").await.unwrap_err();
        assert_eq!(retry(&error), later, "nothing had left: {error:?}");
    }
}

#[tokio::test]
async fn bodies_are_bounded_both_ways() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/big" => say(200, "x".repeat(5000)),
        _ => say(200, ""),
    })
    .await;
    let runtime = runtime();
    let limits =
        Limits { request_body_bytes_max: 1000, response_body_bytes_max: 1000, ..Limits::default() };
    let config = ConnectorConfig { limits, ..Default::default() };
    let upstream = Upstream::new("victim", UpstreamOptions::new(&server.url, Auth::None)).unwrap();
    let hostile = hostile_with(&runtime, Some(upstream), config).await;
    let error = act(&hostile, "look", "http", "GET http://victim/big").await.unwrap_err();
    assert!(error.to_string().contains("HttpResponseBodySize"), "{error}");
    let line = "POST http://victim/ x-bytes:5000";
    let error = act(&hostile, "attack", "http", line).await.unwrap_err();
    assert_eq!(retry(&error), Retry::Later { after_ms: None }, "it never left: {error:?}");
    assert_eq!(server.asked().len(), 1);
}

/// Lets so many in, and remembers pauses.
struct Turnstile {
    left: AtomicU32,
    pauses: Mutex<Vec<Duration>>,
}

impl Door for Turnstile {
    fn enter(&self) -> BoxFuture<'_, Result<Permit, Refused>> {
        Box::pin(async {
            let left = self
                .left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            match left {
                Ok(_) => Ok(Box::new(()) as Permit),
                Err(_) => Err(Refused {
                    limit: "victim".to_owned(),
                    after: Duration::from_secs(7),
                    quota: false,
                }),
            }
        })
    }

    fn hear(&self, heard: &Heard) {
        let pause = heard.refusal.and_then(|refusal| refusal.after);
        self.pauses.lock().unwrap().extend(pause);
    }
}

#[tokio::test]
async fn requests_pass_the_budgets_door_and_the_systems_pauses_reach_it() {
    let server =
        Server::start(|_| Answer::Say(429, vec![("retry-after", "3".into())], "".into())).await;
    let runtime = runtime();
    let door = Arc::new(Turnstile { left: AtomicU32::new(1), pauses: Mutex::default() });
    let options = UpstreamOptions {
        door: Some(door.clone()),
        ..UpstreamOptions::new(&server.url, Auth::None)
    };
    let hostile = with(&runtime, options).await;
    let answer = act(&hostile, "attack", "http", "POST http://victim/x").await.unwrap();
    assert!(answer.starts_with("429\n"), "the guest sees it too: {answer}");
    assert_eq!(*door.pauses.lock().unwrap(), [Duration::from_secs(3)]);

    let error = act(&hostile, "attack", "http", "POST http://victim/x").await.unwrap_err();
    let CallError::Held(held) = &error else { panic!("{error:?}") };
    assert_eq!((held.limit.as_str(), held.after), ("victim", Duration::from_secs(7)));
    assert_eq!(error.to_fault().retry, Retry::Later { after_ms: Some(7000) });
    // Even a guest that falls over it does not hide the reason.
    let error =
        act(&hostile, "attack", "http-then-trap", "POST http://victim/x").await.unwrap_err();
    assert_eq!(error.code(), "upstream-limit");
    assert_eq!(server.asked().len(), 1, "nothing left past the budget");
}
