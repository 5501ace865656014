//! What is checked when a component is loaded, what an admin is told, and the cache on disk.

use std::sync::Arc;

use connector::{
    Auth, ConnectorConfig, Effect, Limits, Options, Runtime, Upstream, UpstreamOptions, inspect,
};

use crate::guests::{Memory, runtime, wasm};

#[tokio::test]
async fn every_disagreement_is_listed_at_once() {
    let error = runtime().load("liar", &wasm("liar"), Default::default()).await.unwrap_err();
    let mut codes: Vec<&str> = error.problems.iter().map(|problem| problem.code).collect();
    codes.sort_unstable();
    assert_eq!(
        codes,
        ["CD0403", "CD0407", "CD0408", "CD0409", "CD0411", "CD0412", "CD0416", "CD0417"],
        "{error}"
    );
    let text = error.to_string();
    for said in [
        "connector `liar` cannot be loaded",
        "the exported function `shapeless` of `acme:liar/lies@1.0.0`",
        "operation `hidden` is exported but not described",
        "operation `imaginary` is described but not exported",
        "operation `probe-do-it` is described twice",
        "`probe-do-it` is not a probe of `do-it`: its input has another type",
        "the undo `undo-it` of `do-it` is not exported",
        "`one` is not a semantic version",
        "`voodoo`",
        "  = fix: ",
    ] {
        assert!(text.contains(said), "{said} is missing in:\n{text}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_connector_is_refused_with_the_reason() {
    for bytes in [b"not wasm at all".as_slice(), b"\0asm\x01\0\0\0"] {
        let error = runtime().load("x", bytes, Default::default()).await.unwrap_err();
        assert_eq!(error.problems[0].code, "CD0401", "{error}");
    }
}

#[tokio::test]
async fn what_the_configuration_lacks_is_named() {
    let runtime = runtime();
    let config = ConnectorConfig {
        config: serde_json::json!("text"),
        limits: Limits { memory_bytes_max: 64 << 10, ..Limits::default() },
        ..Default::default()
    };
    let error = runtime.load("h", &wasm("hostile"), config).await.unwrap_err();
    let codes: Vec<&str> = error.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["CD0413", "CD0419", "CD0415"], "{error}");
    assert!(error.to_string().contains("add [upstreams.victim]"), "{error}");
}

#[tokio::test]
async fn an_inspection_tells_what_a_component_is() {
    let bytes = wasm("hostile");
    let seen = inspect(&bytes).await.unwrap();
    assert_eq!((seen.name.as_str(), seen.version.as_str()), ("hostile", "0.1.0"));
    assert_eq!(seen.size_bytes, bytes.len());
    assert_eq!(seen.digest, connector::digest(&bytes));
    let names = |names: &[contract::InterfaceName]| {
        names.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(names(&seen.offers).contains(&"acme:hostile/acts@1.0.0".to_owned()));
    assert!(names(&seen.needs).contains(&"crossdock:core/signing@1.0.0".to_owned()));
    assert!(names(&seen.needs).iter().any(|name| name.starts_with("wasi:http/")));
    assert_eq!(seen.description.upstreams[0].name, "victim");
    let effects: Vec<_> =
        seen.operations.iter().map(|(op, said)| (op.name.as_str(), said.effect)).collect();
    assert_eq!(
        effects,
        [("attack", Effect::Mutation), ("attack-keyed", Effect::Mutation), ("look", Effect::Query)]
    );
}

#[tokio::test]
async fn compiled_components_come_from_disk_and_a_damaged_file_is_compiled_again() {
    let dir = tempfile::tempdir().unwrap();
    let load = async || {
        let options = Options {
            cache_dir: Some(dir.path().to_owned()),
            instances_max: 2,
            idle_max: 0,
            ..Options::default()
        };
        let runtime = Runtime::new(options, Arc::new(Memory::default())).unwrap();
        runtime.load("echo", &wasm("echo"), Default::default()).await.unwrap();
    };
    load().await;
    let files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "one artifact and no half ones: {files:?}");
    let artifact = std::fs::read(&files[0]).unwrap();
    let written = std::fs::metadata(&files[0]).unwrap().modified().unwrap();
    load().await;
    let modified = || std::fs::metadata(&files[0]).unwrap().modified().unwrap();
    assert_eq!(modified(), written, "it was not compiled again");
    for damage in [artifact.len() - 100, 40, 3] {
        let mut damaged = artifact.clone();
        damaged[damage] ^= 0x20;
        std::fs::write(&files[0], &damaged).unwrap();
        load().await;
        assert!(std::fs::read(&files[0]).unwrap()[..32] == artifact[..32], "written anew");
    }
    std::fs::write(&files[0], b"short").unwrap();
    load().await;
}

#[tokio::test]
async fn a_secret_in_the_configuration_is_refused_and_not_repeated() {
    let secret = connector::Secret::new("secret-in-the-config");
    let upstream = Upstream::new("victim", UpstreamOptions::new("http://127.0.0.1:9", Auth::None));
    let config = ConnectorConfig {
        config: serde_json::json!({"password": secret.expose()}),
        upstreams: [("victim".to_owned(), upstream.unwrap())].into(),
        ..Default::default()
    };
    let error = runtime().load("h", &wasm("hostile"), config).await.unwrap_err();
    assert_eq!(error.problems[0].code, "CD0420", "{error}");
    assert!(!error.to_string().contains("secret-in-the-config"), "{error}");
}
