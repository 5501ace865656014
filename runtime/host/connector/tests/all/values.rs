//! Values through a component call: what goes in comes out.

use contract::arbitrary::value_of;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::guests::{context, input, runtime, wasm};

#[test]
fn any_value_survives_a_component_call() {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let runtime = runtime();
    let echo = tokio.block_on(runtime.load("echo", &wasm("echo"), Default::default())).unwrap();
    let ty = echo.operation("mirror").unwrap().0.input.clone();
    let mut runner =
        TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(300) });
    runner
        .run(&value_of(&ty), |value| {
            let back = tokio.block_on(echo.call("mirror", context("k"), &value));
            prop_assert_eq!(back, Ok(value));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_call_carries_its_circumstances_and_a_fresh_instance_serves_each() {
    let runtime = runtime();
    let echo = runtime.load("echo", &wasm("echo"), Default::default()).await.unwrap();
    let ask = input(&echo, "recall", &serde_json::json!({"about": "x"}));
    for _ in 0..2 {
        let facts = echo.call("recall", context("e/s/0"), &ask).await.unwrap();
        let facts: serde_json::Value =
            serde_json::from_str(&contract::json::write(&facts)).unwrap();
        assert_eq!(
            facts,
            serde_json::json!({
                "exchange": "0000000000001",
                "key": "e/s/0",
                "attempt": 1,
                "started_at": "2026-03-31T08:15:00Z",
                "deadline": "2026-03-31T08:15:10Z",
                "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "calls": 1,
            })
        );
    }
}

#[tokio::test]
async fn a_reused_instance_serves_so_many_calls_and_no_more() {
    let runtime = runtime();
    let config = connector::ConnectorConfig { reuse: 3, ..Default::default() };
    let echo = runtime.load("echo", &wasm("echo"), config).await.unwrap();
    let ask = input(&echo, "recall", &serde_json::json!({"about": "x"}));
    let mut calls = Vec::new();
    for at in 0..7 {
        let key = format!("e/s/{at}");
        let facts = echo.call("recall", context(&key), &ask).await.unwrap();
        assert_eq!(facts.get("key").and_then(|key| key.as_str()), Some(key.as_str()));
        calls.push(contract::json::write(facts.get("calls").unwrap()));
    }
    assert_eq!(calls.join(" "), "1 2 3 1 2 3 1");
}

#[tokio::test]
async fn an_input_of_another_type_never_reaches_the_guest() {
    let runtime = runtime();
    let echo = runtime.load("echo", &wasm("echo"), Default::default()).await.unwrap();
    let error = echo.call("mirror", context("k"), &contract::Value::Bool(true)).await.unwrap_err();
    assert_eq!(error.code(), "input-outside-contract");
    let error = echo.call("nothing", context("k"), &contract::Value::Null).await.unwrap_err();
    assert_eq!(error.code(), "unknown-operation");
}
