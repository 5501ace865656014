//! Each way of a guest to misbehave is told apart, is over soon, and leaves the others alone.

use std::time::{Duration, Instant};

use connector::{CallError, ConnectorConfig, Fault, Limits, Retry};

use crate::guests::{act, act_in, context, hostile, hostile_with, runtime, runtime_with};

/// After any misbehaviour, the same connector answers the next call.
async fn check(what: &str, arg: &str, code: &str) -> CallError {
    let runtime = runtime();
    let limits = Limits { cpu: Duration::from_millis(400), ..Limits::default() };
    let config = ConnectorConfig { limits, reuse: 5, ..Default::default() };
    let hostile = hostile_with(&runtime, None, config).await;
    let error = act(&hostile, "attack", what, arg).await.unwrap_err();
    assert_eq!(error.code(), code, "{error:?}");
    assert!(!error.outcome_unknown(), "nothing had left: {error:?}");
    assert_eq!(act(&hostile, "attack", "sleep", "0").await.unwrap(), "slept");
    assert_eq!(runtime.usage().instances_free, 4, "its instance is free again");
    error
}

#[tokio::test]
async fn a_trap_is_a_trap() {
    let error = check("trap", "now", "guest-trap").await;
    assert!(error.to_string().contains("unreachable"), "{error}");
    assert_eq!(error.to_fault().retry, Retry::Never);
    check("exit", "", "guest-trap").await;
}

#[tokio::test]
async fn a_spin_is_stopped_by_its_cpu_budget() {
    let started = Instant::now();
    let error = check("spin", "", "guest-cpu").await;
    assert!(matches!(error, CallError::Spin { budget_ms: 400, .. }));
    assert!(started.elapsed() < Duration::from_secs(25), "long before its timeout");
}

#[tokio::test]
async fn waiting_does_not_count_as_computing() {
    let runtime = runtime();
    let limits = Limits { cpu: Duration::from_millis(150), ..Limits::default() };
    let config = ConnectorConfig { limits, ..Default::default() };
    let hostile = hostile_with(&runtime, None, config).await;
    // 40 waits of 20 ms: 800 ms by the clock, hardly any of them computing.
    assert_eq!(act(&hostile, "look", "work", "40").await.unwrap(), "worked");
}

#[tokio::test]
async fn eating_memory_is_stopped_at_the_limit() {
    let error = check("eat-memory", "", "guest-memory").await;
    assert!(matches!(error, CallError::Memory { limit_bytes, .. } if limit_bytes == 64 << 20));
}

#[tokio::test]
async fn an_answer_outside_its_contract_is_refused_with_its_place() {
    let error = check("decimal-abc", "", "outside-contract").await;
    let CallError::OutsideContract { violations, .. } = error else { unreachable!() };
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].pointer, "/amount");
}

#[tokio::test]
async fn a_host_that_is_not_granted_is_named() {
    let error = check("http", "GET http://evil.example/x", "host-not-allowed").await;
    assert!(matches!(error, CallError::HostNotAllowed { host, .. } if host == "evil.example"));
    // Nor by its address, by a port, or by letting on that nothing happened.
    check("http", "GET http://127.0.0.1:80/", "host-not-allowed").await;
    check("http", "GET http://victim:81/", "host-not-allowed").await;
    check("http-swallow", "GET https://evil.example/", "host-not-allowed").await;
}

#[tokio::test]
async fn a_guest_that_asks_too_often_is_told_apart_and_not_asked_again() {
    let runtime = runtime();
    let limits = Limits { requests_max: 0, ..Limits::default() };
    let config = ConnectorConfig { limits, ..Default::default() };
    let hostile = hostile_with(&runtime, None, config).await;
    let error = act(&hostile, "attack", "http", "GET http://victim/x").await.unwrap_err();
    assert_eq!(error.code(), "guest-requests", "{error:?}");
    assert_eq!(error.to_fault().retry, Retry::Never, "the next attempt would ask as often");
}

#[tokio::test]
async fn a_guest_that_dawdles_runs_out_of_time() {
    let runtime = runtime();
    let hostile = hostile(&runtime, None).await;
    let mut context = context("k");
    context.timeout = Duration::from_millis(300);
    let started = Instant::now();
    let error = act_in(&hostile, "attack", "sleep", "60000", context).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout { after_ms: 300, sent: false }), "{error:?}");
    assert_eq!(error.to_fault().retry, Retry::Later { after_ms: None });
    assert!(started.elapsed() < Duration::from_secs(40), "long before it would have woken up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spinning_call_hurts_no_other() {
    let runtime = runtime_with(8);
    // Far below the calls' timeout: other programs may have most of this machine.
    let limits = Limits { cpu: Duration::from_millis(200), ..Limits::default() };
    let config = ConnectorConfig { limits, ..Default::default() };
    let hostile = std::sync::Arc::new(hostile_with(&runtime, None, config).await);
    let spinning: Vec<_> = (0..4)
        .map(|_| {
            let hostile = hostile.clone();
            tokio::spawn(async move { act(&hostile, "attack", "spin", "").await })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(act(&hostile, "look", "sleep", "1").await.unwrap(), "slept");
    }
    for spun in spinning {
        assert_eq!(spun.await.unwrap().unwrap_err().code(), "guest-cpu");
    }
}

#[tokio::test]
async fn more_calls_than_instances_wait_their_turn_and_not_for_ever() {
    let runtime = runtime_with(2);
    let hostile = std::sync::Arc::new(hostile(&runtime, None).await);
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let hostile = hostile.clone();
            tokio::spawn(async move { act(&hostile, "look", "sleep", "50").await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), "slept");
    }
    let busy: Vec<_> = (0..2)
        .map(|_| {
            let hostile = hostile.clone();
            tokio::spawn(async move { act(&hostile, "look", "sleep", "4000").await })
        })
        .collect();
    while runtime.usage().instances_free > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut hasty = context("k");
    hasty.timeout = Duration::from_millis(100);
    let error = act_in(&hostile, "attack", "sleep", "0", hasty).await.unwrap_err();
    assert_eq!(error, CallError::Unavailable { after_ms: 100, instances_max: 2 });
    for call in busy {
        assert_eq!(call.await.unwrap().unwrap(), "slept");
    }
}

#[tokio::test]
async fn a_fault_is_what_the_guest_says_unless_the_host_knows_better() {
    let runtime = runtime();
    let hostile = hostile(&runtime, None).await;
    let retry = async |operation: &str, said: &str| {
        let error = act(&hostile, operation, "fault", said).await.unwrap_err();
        let CallError::Fault(Fault { retry, code, message, status }) = error else {
            panic!("{error:?}")
        };
        assert_eq!((code.as_str(), message.as_str(), status), ("on-demand", "asked for", None));
        retry
    };
    assert_eq!(retry("attack", "never").await, Retry::Never);
    assert_eq!(retry("attack", "later").await, Retry::Later { after_ms: None });
    assert_eq!(retry("attack", "later-7").await, Retry::Later { after_ms: Some(7) });
    assert_eq!(retry("attack", "refresh-auth").await, Retry::RefreshAuth);
    // No request had left, so there is nothing to be in doubt about.
    assert_eq!(retry("attack", "outcome-unknown").await, Retry::Later { after_ms: None });
}

#[tokio::test]
async fn the_same_key_draws_the_same_random_numbers() {
    let runtime = runtime();
    let hostile = hostile(&runtime, None).await;
    let draw =
        async |key: &str| act_in(&hostile, "look", "random", "", context(key)).await.unwrap();
    let first = draw("e1/x/0").await;
    assert_eq!(first, draw("e1/x/0").await);
    assert_ne!(first, draw("e1/x/1").await);
}

#[tokio::test]
async fn state_is_kept_within_its_bounds() {
    let runtime = runtime();
    let hostile = hostile(&runtime, None).await;
    assert_eq!(act(&hostile, "look", "get", "abc").await.unwrap(), "Ok(None)");
    assert_eq!(act(&hostile, "look", "set", "abc").await.unwrap(), "Ok(())");
    assert_eq!(act(&hostile, "look", "get", "abc").await.unwrap(), "Ok(Some([7, 7, 7]))");
    let refused = act(&hostile, "look", "set-much", "").await.unwrap();
    assert!(refused.starts_with("Err(") && refused.contains("65536"), "{refused}");
    let refused = act(&hostile, "look", "set", &"k".repeat(300)).await.unwrap();
    assert!(refused.contains("the key has 300 bytes"), "{refused}");
}

#[tokio::test]
async fn signatures_are_made_and_verified_without_the_key() {
    let runtime = runtime();
    let secrets = [("hook".to_owned(), connector::Secret::new("the-signing-key"))];
    let config = ConnectorConfig { secrets: secrets.into(), ..Default::default() };
    let hostile = hostile_with(&runtime, None, config).await;
    let key = connector::Secret::new("the-signing-key");
    let expected =
        connector::signing::sign(connector::signing::Algorithm::HmacSha256, &key, b"data");
    assert_eq!(act(&hostile, "look", "sign", "hook").await.unwrap(), format!("Ok({expected:?})"));
    assert_eq!(act(&hostile, "look", "verify", "hook").await.unwrap(), "Ok(true) Ok(false)");
    let none = act(&hostile, "look", "sign", "other").await.unwrap();
    assert!(none.contains("no secret is called `other`"), "{none}");
}
