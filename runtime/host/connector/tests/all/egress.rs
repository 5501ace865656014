//! The way out: addresses, credentials, tokens, budgets, and what is known of a request that failed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connector::{
    Auth, BoxFuture, CallError, Connector, ConnectorConfig, Door, Fault, Heard, Limits, OAuth2,
    Permit, Refused, Retry, Runtime, Secret, TokenLogin, Upstream, UpstreamOptions,
};

use crate::guests::{act, act_in, context, hostile, hostile_with, runtime};
use crate::server::{Answer, Server, say};

async fn with(runtime: &Runtime, options: UpstreamOptions) -> Connector {
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

/// Answers 200 for the newest token only.
fn token_server(lifetime: &'static str) -> impl Fn(&crate::server::Asked) -> Answer + Send + Sync {
    let issued = AtomicU32::new(0);
    move |asked| match asked.path.as_str() {
        "/token" => {
            let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
            say(
                200,
                format!(r#"{{"access_token":"token-number-{number}","expires_in":{lifetime}}}"#),
            )
        }
        "/rotate" => {
            issued.fetch_add(1, Ordering::SeqCst);
            say(200, "")
        }
        _ => {
            let expected = format!("Bearer token-number-{}", issued.load(Ordering::SeqCst));
            match asked.header("authorization") == Some(&expected) {
                true => say(200, "welcome"),
                false => say(401, "who are you"),
            }
        }
    }
}

fn oauth(url: &str) -> Auth {
    Auth::OAuth2ClientCredentials(OAuth2 {
        token_url: format!("{url}/token"),
        client_id: "crossdock".into(),
        client_secret: Secret::new("client-secret-of-the-test"),
        scope: Some("orders write".into()),
        extra: BTreeMap::new(),
        secret_in_body: false,
    })
}

#[tokio::test]
async fn one_token_is_fetched_for_everyone_and_again_when_it_is_refused() {
    let server = Server::start(token_server("3600")).await;
    let runtime = runtime();
    let hostile =
        Arc::new(with(&runtime, UpstreamOptions::new(&server.url, oauth(&server.url))).await);
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let hostile = hostile.clone();
            tokio::spawn(async move {
                act(&hostile, "look", "http", "GET http://victim/x").await.unwrap()
            })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().ends_with("welcome"));
    }
    let tokens = || server.asked().iter().filter(|asked| asked.path == "/token").count();
    assert_eq!(tokens(), 1, "one fetch for eight calls");
    let asked = server.asked();
    let fetch = asked.iter().find(|asked| asked.path == "/token").unwrap();
    assert_eq!(fetch.body, b"grant_type=client_credentials&scope=orders%20write");
    assert!(fetch.header("authorization").unwrap().starts_with("Basic "));

    // The system forgets the token: the next call gets a new one and is none the wiser.
    act(&hostile, "look", "http", "GET http://victim/rotate").await.unwrap();
    let answer = act(&hostile, "attack", "http", "POST http://victim/x").await.unwrap();
    assert!(answer.ends_with("welcome"), "{answer}");
    assert_eq!(tokens(), 2);

    // A fault `refresh-auth` drops the token too.
    act(&hostile, "look", "fault", "refresh-auth").await.unwrap_err();
    act(&hostile, "look", "http", "GET http://victim/x").await.unwrap();
    assert_eq!(tokens(), 3);
}

#[tokio::test]
async fn a_token_that_ran_out_is_not_used() {
    let server = Server::start(token_server("0")).await;
    let runtime = runtime();
    let hostile = with(&runtime, UpstreamOptions::new(&server.url, oauth(&server.url))).await;
    for _ in 0..3 {
        act(&hostile, "look", "http", "GET http://victim/x").await.unwrap();
    }
    let tokens = server.asked().iter().filter(|asked| asked.path == "/token").count();
    assert_eq!(tokens, 3);
}

#[tokio::test]
async fn refused_credentials_are_the_hosts_fault_to_report() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/login" => say(403, "no"),
        _ => say(200, ""),
    })
    .await;
    let runtime = runtime();
    let login = Auth::TokenLogin(TokenLogin {
        login_url: "/login".into(),
        fields: [("email".to_owned(), "me@example".to_owned())].into(),
        secrets: [("password".to_owned(), Secret::new("password-of-the-test"))].into(),
        token: "/access".into(),
        expires_in: None,
        lifetime: Duration::from_secs(600),
        header: "Authorization".into(),
        prefix: "JWT ".into(),
    });
    let hostile = with(&runtime, UpstreamOptions::new(&server.url, login)).await;
    let error = act(&hostile, "attack", "http", "POST http://victim/x").await.unwrap_err();
    let CallError::Fault(Fault { retry, code, message, status }) = error else {
        panic!("{error:?}")
    };
    assert_eq!((retry, code.as_str(), status), (Retry::Never, "upstream-credentials", Some(403)));
    assert!(message.contains("`victim`"), "{message}");
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&server.asked()[0].body).unwrap(),
        serde_json::json!({"email": "me@example", "password": "password-of-the-test"})
    );
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
