//! Tokens of an upstream: one fetch for everyone, a new one when the system refuses it, and a service
//! that gives none is left alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use connector::{
    Auth, CallContext, CallError, Fault, OAuth2, Retry, Secret, TokenLogin, UpstreamOptions,
};

use crate::egress::with;
use crate::guests::{act, act_in, context, runtime, runtime_with};
use crate::server::{Answer, Server, say};

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
    assert_eq!(fetches(&server), 1, "one fetch for eight calls");
    let asked = server.asked();
    let fetch = asked.iter().find(|asked| asked.path == "/token").unwrap();
    assert_eq!(fetch.body, b"grant_type=client_credentials&scope=orders%20write");
    assert!(fetch.header("authorization").unwrap().starts_with("Basic "));

    // The system forgets the token: the next call gets a new one and is none the wiser.
    act(&hostile, "look", "http", "GET http://victim/rotate").await.unwrap();
    let answer = act(&hostile, "attack", "http", "POST http://victim/x").await.unwrap();
    assert!(answer.ends_with("welcome"), "{answer}");
    assert_eq!(fetches(&server), 2);
}

#[tokio::test]
async fn a_guest_may_say_that_its_token_was_refused() {
    let server = Server::start(token_server("3600")).await;
    let runtime = runtime();
    let hostile = with(&runtime, UpstreamOptions::new(&server.url, oauth(&server.url))).await;
    act(&hostile, "look", "http-refused", "GET http://victim/x").await.unwrap_err();
    act(&hostile, "look", "http", "GET http://victim/x").await.unwrap();
    assert_eq!(fetches(&server), 2);
    // One that asked nothing says nothing of any token.
    act(&hostile, "look", "fault", "refresh-auth").await.unwrap_err();
    act(&hostile, "look", "http", "GET http://victim/x").await.unwrap();
    assert_eq!(fetches(&server), 2);
}

#[tokio::test]
async fn a_storm_of_refusals_causes_one_fetch() {
    let server = Server::start(token_server("3600")).await;
    let runtime = runtime_with(32);
    let upstream = UpstreamOptions::new(&server.url, oauth(&server.url));
    let hostile = Arc::new(with(&runtime, upstream).await);
    act(&hostile, "look", "http", "GET http://victim/rotate").await.unwrap();
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let hostile = hostile.clone();
            tokio::spawn(async move {
                act(&hostile, "attack", "http", "POST http://victim/x").await.unwrap()
            })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().ends_with("welcome"));
    }
    assert_eq!(fetches(&server), 2);
}

#[tokio::test]
async fn a_system_that_refuses_every_token_is_not_brought_one_by_each_message() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/token" => say(200, r#"{"access_token":"token-for-nothing","expires_in":3600}"#),
        _ => say(401, "who are you"),
    })
    .await;
    let runtime = runtime();
    let hostile = with(&runtime, UpstreamOptions::new(&server.url, oauth(&server.url))).await;
    let begun = Instant::now();
    for _ in 0..10 {
        act(&hostile, "attack", "http-refused", "POST http://victim/x").await.unwrap_err();
    }
    let allowed = 2 + begun.elapsed().as_secs() as usize;
    assert!(fetches(&server) <= allowed, "{} fetches", fetches(&server));
}

#[tokio::test]
async fn a_fetch_outlives_the_call_that_began_it() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/token" => Answer::Late(
            Duration::from_millis(800),
            r#"{"access_token":"token-that-comes-late","expires_in":3600}"#.to_owned(),
        ),
        _ => say(200, "welcome"),
    })
    .await;
    let runtime = runtime();
    let upstream = UpstreamOptions::new(&server.url, oauth(&server.url));
    let hostile = Arc::new(with(&runtime, upstream).await);
    let short = CallContext { timeout: Duration::from_millis(300), ..context("k/1/0") };
    act_in(&hostile, "look", "http", "GET http://victim/x", short).await.unwrap_err();
    let answer = act(&hostile, "look", "http", "GET http://victim/x").await.unwrap();
    assert!(answer.ends_with("welcome"), "{answer}");
    assert_eq!(fetches(&server), 1);
}

#[tokio::test]
async fn refused_credentials_are_the_hosts_fault_to_report_and_not_tried_by_each_message() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/login" => say(403, r#"{"detail": "No active account found"}"#),
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
    for _ in 0..5 {
        let error = act(&hostile, "attack", "http", "POST http://victim/x").await.unwrap_err();
        let CallError::Fault(Fault { retry, code, message, status }) = error else {
            panic!("{error:?}")
        };
        let told = (retry, code.as_str(), status);
        assert_eq!(told, (Retry::Never, "upstream-credentials", None));
        assert!(message.contains("`victim`"), "{message}");
        assert!(message.contains("/login answered 403 Forbidden: No active account"), "{message}");
    }
    assert_eq!(server.asked().len(), 1, "one login for five messages");
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&server.asked()[0].body).unwrap(),
        serde_json::json!({"email": "me@example", "password": "password-of-the-test"})
    );
}

#[tokio::test]
async fn a_service_that_is_down_lets_messages_wait_for_it() {
    let down = Arc::new(AtomicBool::new(true));
    let switch = down.clone();
    let server = Server::start(move |asked| match asked.path.as_str() {
        "/token" if switch.load(Ordering::SeqCst) => say(503, ""),
        "/token" => say(200, r#"{"access_token":"token-of-the-day","expires_in":3600}"#),
        _ => say(200, "welcome"),
    })
    .await;
    let runtime = runtime();
    let hostile = with(&runtime, UpstreamOptions::new(&server.url, oauth(&server.url))).await;
    let mut waits = Vec::new();
    for _ in 0..4 {
        let error = act(&hostile, "attack", "http", "POST http://victim/x").await.unwrap_err();
        let CallError::Fault(Fault { retry: Retry::Later { after_ms }, .. }) = error else {
            panic!("{error:?}")
        };
        waits.push(after_ms);
    }
    assert_eq!(fetches(&server), 1, "asked once, told to all");
    let wait_ms = waits[3].expect("the others are told when to come again");
    assert!((1..=1000).contains(&wait_ms), "{waits:?}");
    down.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    act(&hostile, "attack", "http", "POST http://victim/x").await.unwrap();
    assert_eq!(fetches(&server), 2);
}

fn fetches(server: &Server) -> usize {
    server.asked().iter().filter(|asked| asked.path == "/token").count()
}

#[tokio::test]
async fn a_token_that_ran_out_is_not_used() {
    let server = Server::start(token_server("0")).await;
    let runtime = runtime();
    let hostile = with(&runtime, UpstreamOptions::new(&server.url, oauth(&server.url))).await;
    for _ in 0..3 {
        act(&hostile, "look", "http", "GET http://victim/x").await.unwrap();
    }
    assert_eq!(fetches(&server), 3);
}
