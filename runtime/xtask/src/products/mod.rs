//! `cargo xtask products`: the connectors against the products themselves. Installs them into one
//! cache folder, starts them on loopback, runs the suites of `tests/products`, stops them. They need
//! python3 and npm, which Crossdock does not: no part of `cargo xtask test`.

mod cache;
mod inventree;
mod karrio;
mod localstripe;
mod nats;
mod o2c;
mod oidc;
mod postgres;
mod running;
mod stripe_stateful_mock;
mod tryton;

use std::time::Duration;

use anyhow::{Result, bail};

use crate::{connectors, interrupt, stop, toolchain, workspace};
use cache::Cache;
use running::{Place, Running};

struct Product {
    name: &'static str,
    says: &'static str,
    /// Downloads and sets up what can be kept; nothing of it runs afterwards.
    install: fn(&Cache) -> Result<()>,
    start: fn(&Cache, &Place) -> Result<Running>,
}

const PRODUCTS: &[Product] = &[
    inventree::PRODUCT,
    karrio::PRODUCT,
    localstripe::PRODUCT,
    nats::PRODUCT,
    oidc::PRODUCT,
    postgres::PRODUCT,
    stripe_stateful_mock::PRODUCT,
    tryton::PRODUCT,
];

/// What CI runs too: installation and suite take a minute or less. Tryton and Karrio take minutes to
/// make their databases, and as long for their suites; InvenTree's description is not in this
/// repository.
const IN_CI: [&str; 5] = ["localstripe", "nats", "oidc", "postgres", "stripe-stateful-mock"];

/// A machine that has only Rust, or reaches no package registry, skips them and says so.
pub fn in_ci() -> Result<()> {
    let mut installed = Installed { cache: Cache::open()?, ready: Vec::new(), skipped: Vec::new() };
    for product in chosen(&IN_CI)? {
        match (product.install)(&installed.cache) {
            Ok(()) => installed.ready.push(product),
            Err(error) => installed.skipped.push(error),
        }
        interrupt::sleep(Duration::ZERO)?;
    }
    installed.run_suites()
}

pub fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["list"] => {
            println!("{}", list());
            Ok(())
        }
        ["install", names @ ..] => {
            let installed = install(&chosen(names)?)?;
            installed.say_skipped();
            Ok(())
        }
        ["o2c", rest @ ..] => o2c::run(rest),
        ["up", names @ ..] if !names.is_empty() => up(&chosen(names)?),
        ["up"] => Err(stop::usage(format!("which product?\n{}", list()))),
        names => suites(&chosen(names)?),
    }
}

/// All of them when none is named.
fn chosen(names: &[&str]) -> Result<Vec<&'static Product>> {
    if names.is_empty() {
        return Ok(PRODUCTS.iter().collect());
    }
    let by_name = |name: &&str| {
        PRODUCTS
            .iter()
            .find(|product| product.name == *name)
            .ok_or_else(|| stop::usage(format!("there is no product `{name}`\n{}", list())))
    };
    names.iter().map(by_name).collect()
}

/// What can be started now, and what not every machine has and this one has not.
struct Installed {
    cache: Cache,
    ready: Vec<&'static Product>,
    skipped: Vec<anyhow::Error>,
}

impl Installed {
    /// Runs the suite of each product while it runs; the connectors are built already.
    fn run_suites(&self) -> Result<()> {
        let built = toolchain::build(&["crossdock"], &[])?;
        let mut failed = Vec::new();
        for product in &self.ready {
            println!("\n{}: {}", product.name, product.says);
            let place = Place::new(workspace::target().join("products-run").join(product.name))?;
            let running = start(&self.cache, &place, &[product])?;
            let mut environment: Vec<(String, String)> =
                running.iter().flat_map(Running::told).cloned().collect();
            environment.push(("CROSSDOCK".to_owned(), built[0].display().to_string()));
            let module = format!("{}::", product.name.replace('-', "_"));
            let arguments =
                ["test", "--quiet", "-p", "product-suite", "--test", "suite", "--", &module];
            if toolchain::cargo_with(workspace::root(), &arguments, &environment).is_err() {
                failed.push(product.name);
            }
            stop_all(running);
            interrupt::sleep(Duration::ZERO)?;
        }
        println!();
        self.say_skipped();
        if failed.is_empty() {
            return Ok(());
        }
        bail!(
            "these suites failed: {}; what the products said is in target/products-run",
            failed.join(", ")
        )
    }

    fn say_skipped(&self) {
        for why in &self.skipped {
            println!("skipped: {why}");
        }
    }
}

fn install(products: &[&'static Product]) -> Result<Installed> {
    let cache = Cache::open()?;
    let (mut ready, mut skipped) = (Vec::new(), Vec::new());
    for product in products {
        match (product.install)(&cache) {
            Ok(()) => ready.push(*product),
            Err(error) if stop::is_absent(&error) => skipped.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(Installed { cache, ready, skipped })
}

/// Leaves products running for a developer until Ctrl-C.
fn up(products: &[&'static Product]) -> Result<()> {
    let Installed { cache, skipped, .. } = install(products)?;
    if let Some(why) = skipped.into_iter().next() {
        return Err(why);
    }
    let place = Place::new(workspace::target().join("products-up"))?;
    let mut running = start(&cache, &place, products)?;
    for (variable, value) in running.iter().flat_map(Running::told) {
        println!("export {variable}={value}");
    }
    println!("running until Ctrl-C; logs and data are in target/products-up");
    while !interrupt::interrupted() {
        running.iter_mut().try_for_each(Running::alive)?;
        if interrupt::sleep(Duration::from_secs(1)).is_err() {
            break;
        }
    }
    stop_all(running);
    Ok(())
}

fn suites(products: &[&'static Product]) -> Result<()> {
    connectors::build()?;
    let installed = install(products)?;
    installed.run_suites()?;
    if installed.ready.is_empty() {
        return Err(stop::surroundings("no suite was run: nothing of what it needs is here"));
    }
    Ok(())
}

fn start(cache: &Cache, place: &Place, products: &[&Product]) -> Result<Vec<Running>> {
    products.iter().map(|product| (product.start)(cache, place)).collect()
}

/// The same again after it was stopped: in one place it finds its data at its address.
fn start_one(name: &str, cache: &Cache, place: &Place) -> Result<Running> {
    (chosen(&[name])?[0].start)(cache, place)
}

fn stop_all(mut running: Vec<Running>) {
    while let Some(product) = running.pop() {
        product.stop();
    }
}

fn list() -> String {
    let lines = PRODUCTS.iter().map(|product| format!("  {:<20} {}", product.name, product.says));
    lines.collect::<Vec<_>>().join("\n")
}
