//! `cargo xtask prove NAME`: demonstrations too long for the tests. Each prints its figures last and
//! fails when they fall short.

mod chaos;
mod limits;
pub mod random;

use anyhow::Result;

use crate::stop;

struct Proof {
    name: &'static str,
    says: &'static str,
    run: fn(&[&str]) -> Result<()>,
}

const PROOFS: [Proof; 3] = [
    Proof {
        name: "chaos",
        says: "5,000 orders, every misbehaviour of the products, 50 kills: each ends rightly, each effect once (--orders N --kills K)",
        run: chaos::chaos,
    },
    Proof {
        name: "crash",
        says: "200 orders and 12 kills, nothing else going wrong (--orders N --kills K)",
        run: chaos::crash,
    },
    Proof {
        name: "limits",
        says: "ten routes and two connectors on one budget, over a kill: never above it, used to 95 of 100, no route starved",
        run: limits::run,
    },
];

pub fn run(arguments: &[&str]) -> Result<()> {
    let [name, rest @ ..] = arguments else {
        return Err(stop::usage(format!("which proof?\n{}", list())));
    };
    match PROOFS.iter().find(|proof| proof.name == *name) {
        Some(proof) => (proof.run)(rest),
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
