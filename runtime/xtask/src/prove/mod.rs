//! `cargo xtask prove NAME`: demonstrations too long for the tests. Each prints its figures last and
//! fails when they fall short.

mod crash;

use anyhow::Result;

use crate::stop;

struct Proof {
    name: &'static str,
    says: &'static str,
    run: fn() -> Result<()>,
}

const PROOFS: [Proof; 1] = [Proof {
    name: "crash",
    says: "the runtime killed in the middle of 200 orders: each ends rightly, each effect once",
    run: crash::run,
}];

pub fn run(arguments: &[&str]) -> Result<()> {
    let [name] = arguments else {
        return Err(stop::usage(format!("which proof?\n{}", list())));
    };
    match PROOFS.iter().find(|proof| proof.name == *name) {
        Some(proof) => (proof.run)(),
        None => Err(stop::usage(format!("there is no proof `{name}`\n{}", list()))),
    }
}

fn list() -> String {
    let lines: Vec<String> = PROOFS
        .iter()
        .map(|proof| format!("  cargo xtask prove {:<8} {}", proof.name, proof.says))
        .collect();
    lines.join("\n")
}
