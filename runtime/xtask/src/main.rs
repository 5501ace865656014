//! `cargo xtask`: what a person or CI does with this workspace. One file for each command; every
//! command does its own set-up, and needs nothing but Rust.

mod ci;
mod connectors;
mod demo;
mod http;
mod interrupt;
mod play;
mod process;
mod products;
mod prove;
mod runtime;
mod set_up;
mod stop;
mod test;
mod toolchain;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;

const HELP: &str = "\
Usage: cargo xtask COMMAND

  demo [--once]   orders from HTTP to applied cash, through five played products; keeps serving
                  until interrupted, or ends with --once (0 only if every order ended as expected)
  test            connectors, then every test of both workspaces
  ci              what CI runs: format, lints, connectors, tests, and that the pure crates are pure
  connectors      every connector as a component, into target/connectors/NAME.wasm
  products        the connectors against the products themselves, installed by pip and npm
                  (products NAME.. for some, products up NAME.. to use them, products list);
                  products o2c takes twenty orders through all of them to cash
  prove NAME      a demonstration too long for the tests, with figures; without NAME, the list

Exit codes: 0 done, 1 failed, 2 the command line is wrong, 3 the surroundings are (port, disk, toolchain).";

fn main() -> ExitCode {
    interrupt::listen();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => stop::report(&error),
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["demo"] => demo::run(demo::Then::Serve),
        ["demo", "--once"] => demo::run(demo::Then::End),
        ["test"] => test::run(),
        ["ci"] => ci::run(),
        ["connectors"] => connectors::run(),
        ["products", rest @ ..] => products::run(rest),
        ["prove", rest @ ..] => prove::run(rest),
        ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        [] => Err(stop::usage(format!("which command?\n\n{HELP}"))),
        other => Err(stop::usage(format!("unknown: {}\n\n{HELP}", other.join(" ")))),
    }
}
