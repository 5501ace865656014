//! `crossdock check` on broken files: each `ui/NAME.toml` has the exact report beside it, as an admin
//! reads it, in `ui/NAME.report`. Files named `config-*` are a configuration, the others a route.
//! `BLESS=1 cargo test` writes the reports anew; read them before you keep them.

use std::path::{Path, PathBuf};

use crate::support::built::{guest, workspace};
use crate::support::setup::{Said, Setup};
use crate::support::system::{System, say};

fn folder() -> PathBuf {
    workspace().join("tests/ui")
}

/// A folder in which routes are checked one after the other. It has a `data`, so that connectors
/// are compiled once.
fn surroundings(system: &System) -> Setup {
    let setup = Setup::with_depot(system).tables("[limits.clients]\nrate = \"10/s\"");
    std::fs::create_dir(setup.path().join("data")).unwrap();
    setup
}

/// What `check` says of the file, with everything that differs between machines taken out.
fn report(setup: &Setup, file: &Path) -> String {
    let name = file.file_stem().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let depot = guest("depot").display().to_string();
    let root = workspace().display().to_string();
    let said: Said = if name.starts_with("config-") {
        let wit = format!("{root}/wit");
        let text = text.replace("{wit}", &wit).replace("{depot}", &depot);
        setup.write("crossdock.toml", &text);
        setup.command(&["check"]).into()
    } else {
        setup.write_route(name, &text);
        let said = setup.crossdock(&["check"], "127.0.0.1:0", "127.0.0.1:0");
        std::fs::remove_file(setup.path().join(format!("routes/{name}.toml"))).unwrap();
        said
    };
    let report = format!("exit {}\n{}{}", said.code.unwrap_or(-1), said.err, said.out);
    let report = report.replace(&setup.path().display().to_string(), "{folder}");
    let report = report.replace(&depot, "{depot}").replace(&root, "{workspace}");
    report.trim_end().to_owned() + "\n"
}

#[test]
fn every_broken_file_gets_the_report_beside_it() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 12, "{files:?}");
    let system = System::start(|_| say(200, ""));
    let setup = surroundings(&system);
    let mut wrong = Vec::new();
    for file in files {
        let found = report(&setup, &file);
        let beside = file.with_extension("report");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&beside, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        assert!(!found.starts_with("exit 0"), "{} is not broken", file.display());
        if found != expected {
            wrong.push(format!("=== {}\nexpected:\n{expected}\nfound:\n{found}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_report_is_there_for_every_file_and_no_other() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let other = if path.extension().is_some_and(|e| e == "toml") { "report" } else { "toml" };
        assert!(path.with_extension(other).is_file(), "{} stands alone", path.display());
    }
}
