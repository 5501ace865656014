//! The bytes of a secret are nowhere that a guest, a log, an answer or an error could show them.

use std::io::Write;
use std::sync::{Arc, Mutex};

use connector::{Auth, ConnectorConfig, Secret, Upstream, UpstreamOptions};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::guests::{act, hostile_with, runtime};
use crate::server::{Answer, Server};

const TOKEN: &str = "the-token-nobody-may-see";
const SIGNING: &str = "the-signing-key-nobody-may-see";

/// Everything logged while a test runs, by this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn capture(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let layer =
            tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || log.clone());
        let levels = tracing_subscriber::filter::LevelFilter::TRACE;
        tracing::subscriber::set_default(tracing_subscriber::registry().with(levels).with(layer))
    }
}

/// A system that tells everybody what it was told.
async fn gossip() -> Server {
    Server::start(|asked| {
        let told = format!("{} {} {:?}", asked.method, asked.path, asked.headers);
        let headers =
            vec![("x-told", told.replace(['\r', '\n'], " ")), ("set-cookie", "s=1".to_owned())];
        Answer::Say(200, headers, told)
    })
    .await
}

#[tokio::test]
async fn a_guest_that_shows_all_it_can_see_shows_no_secret_and_nothing_else() {
    let log = Log::default();
    let _guard = log.capture();
    let server = gossip().await;
    let runtime = runtime();
    for (auth, dressed) in [
        (Auth::Bearer { token: Secret::new(TOKEN) }, TOKEN),
        (Auth::Query { name: "key".into(), value: Secret::new(TOKEN) }, TOKEN),
        (
            Auth::Basic { username: "me".into(), password: Secret::new(TOKEN) },
            "bWU6dGhlLXRva2VuLW5vYm9keS1tYXktc2Vl",
        ),
    ] {
        let secrets = [("key".to_owned(), Secret::new(SIGNING))].into();
        let config = ConnectorConfig {
            secrets,
            config: serde_json::json!({"company": 7}),
            ..Default::default()
        };
        let upstream = Upstream::new("victim", UpstreamOptions::new(&server.url, auth)).unwrap();
        let debug = format!("{upstream:?}");
        let hostile = hostile_with(&runtime, Some(upstream), config).await;
        let seen = act(&hostile, "attack", "see", "").await.unwrap();
        assert!(seen.contains("http Ok(\"200"), "it did reach the system: {seen}");
        assert!(seen.contains("config {\"company\":7}"), "{seen}");
        let asked = format!("{:?}", server.asked());
        assert!(asked.contains(dressed), "and the system was told the secret");
        for text in [&seen, &debug, &log.text()] {
            for secret in [TOKEN, SIGNING, dressed] {
                assert!(!text.contains(secret), "{secret} is in: {text}");
            }
        }
        for granted in ["args []", "env []", "tcp false", "bind false", "udp false"] {
            assert!(seen.contains(granted), "{granted} is missing in: {seen}");
        }
        assert!(!seen.contains("read / Ok") && !seen.contains("list / Ok"), "{seen}");
        assert!(!seen.contains("Ok(\"200\\nset-cookie"), "{seen}");
    }
}

#[tokio::test]
async fn lines_of_a_guest_are_logged_marked_bounded_and_clean() {
    let log = Log::default();
    let _guard = log.capture();
    let _secret = Secret::new("a-secret-that-the-guest-guessed");
    let runtime = runtime();
    let hostile = hostile_with(&runtime, None, ConnectorConfig::default()).await;
    act(&hostile, "look", "log", "hello a-secret-that-the-guest-guessed\u{7}").await.unwrap();
    let text = log.text();
    for line in [
        "INFO guest: hello [secret] ",
        "guest: stdout hello [secret]",
        "guest: stderr hello [secret]",
    ] {
        assert!(text.contains(line), "{line} is missing in: {text}");
    }
    assert!(
        text.contains("connector=\"hostile\"") && text.contains("operation=\"look\""),
        "{text}"
    );
    act(&hostile, "look", "log-much", "").await.unwrap();
    let text = log.text();
    assert!(text.contains("line 99") && !text.contains("line 100"), "100 lines, then silence");
    assert!(text.contains("further lines of this call are left out"));
}

#[tokio::test]
async fn errors_do_not_tell_secrets_either() {
    let _secret = Secret::new("told-in-an-error");
    let runtime = runtime();
    let hostile = hostile_with(&runtime, None, ConnectorConfig::default()).await;
    let error = act(&hostile, "attack", "told-in-an-error", "").await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("told-in-an-error"), "{error:?}");
    let error = act(&hostile, "attack", "http", "GET http://told-in-an-error/").await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("told-in-an-error"), "{error:?}");
}
