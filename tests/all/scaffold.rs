//! `crossdock connector new` to a running call on a route, as the author's chapter says: the crate
//! that is written builds, passes its test, shows what it is, and is called.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::built::workspace;
use crate::support::setup::{Said, Setup};

fn cargo(folder: &Path, target: &Path, arguments: &[&str]) {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--target-dir")
        .arg(target)
        .current_dir(folder)
        // What cargo told this test about its own crate must not reach the new one.
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO_MANIFEST_PATH")
        .output()
        .expect("cargo starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}:\n{error}", arguments.join(" "));
}

#[test]
fn a_new_connector_builds_passes_its_test_and_is_called_from_a_route() {
    let setup = Setup::new();
    let sdk = workspace().join("connectors/sdk").display().to_string();
    let made: Said = setup.command(&["connector", "new", "acme-greeter", "--sdk", &sdk]).into();
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.out.contains("cargo build --release --target wasm32-wasip2"), "{made:?}");
    let crate_folder = setup.path().join("acme-greeter");
    // Shared with later runs: the SDK's dependencies are compiled once.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scaffold");
    cargo(&crate_folder, &target, &["test", "--quiet"]);
    cargo(&crate_folder, &target, &["build", "--quiet", "--release", "--target", "wasm32-wasip2"]);
    let component = target.join("wasm32-wasip2/release/acme_greeter.wasm");
    let component = component.display().to_string();

    let inspected: Said = setup.command(&["connector", "inspect", &component]).into();
    assert_eq!(inspected.code, Some(0), "{inspected:?}");
    for words in
        ["acme-greeter 0.1.0 - Greets people.", "acme:acme-greeter/greetings@1.0.0", "query"]
    {
        assert!(inspected.out.contains(words), "{words} is missing in\n{}", inspected.out);
    }
    let tried: Said =
        setup.command(&["connector", "call", &component, "greet", r#"{"name":"Ada"}"#]).into();
    assert_eq!((tried.code, tried.out.trim()), (Some(0), r#"{"text":"Hello, Ada!"}"#), "{tried:?}");

    let route = r#"
[route]
name = "greeting"
owner = "desk"
[from.http]
path = "/greetings"
accept = "acme:acme-greeter/greetings.greeting-request@1"
reply = { step = "greeted", timeout = "60s" }
[[step]]
name = "greeted"
call = "greeter.greet"
with = "message"
"#;
    let runtime = setup
        .tables(&format!("[connectors.greeter]\ncomponent = \"{component}\""))
        .route("greeting", route)
        .start();
    let answer = runtime.post("/greetings", &json!({ "name": "Ada" }).to_string());
    assert_eq!((answer.status, answer.json()), (200, json!({ "text": "Hello, Ada!" })));
    // The guest's own refusal is a fault, and stands before the route's owner.
    let refused = runtime.post("/greetings", &json!({ "name": " " }).to_string());
    let exception = runtime.exception(&refused.exchange());
    assert!(exception["message"].as_str().unwrap().contains("no name to greet"), "{exception:#}");
}

#[test]
fn a_name_that_cannot_be_one_or_is_taken_is_refused() {
    let setup = Setup::new();
    let sdk = workspace().join("connectors/sdk").display().to_string();
    for name in ["Acme", "acme_greeter", "acme-", "1acme", "../acme"] {
        let said: Said = setup.command(&["connector", "new", name, "--sdk", &sdk]).into();
        assert_eq!(said.code, Some(2), "{name}: {said:?}");
        assert!(said.err.contains("cannot be the name of a connector"), "{said:?}");
    }
    std::fs::create_dir(setup.path().join("taken")).unwrap();
    let said: Said = setup.command(&["connector", "new", "taken", "--sdk", &sdk]).into();
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("exists already"), "{said:?}");
    let said: Said = setup.command(&["connector", "new", "acme", "--sdk", "/nowhere"]).into();
    assert_eq!(said.code, Some(2), "{said:?}");
    let said: Said = setup.command(&["connector", "new", "acme"]).into();
    assert!(said.err.contains("--sdk"), "no SDK above a temporary folder: {said:?}");
}
