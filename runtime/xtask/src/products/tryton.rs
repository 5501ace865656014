//! Tryton: sales, stock and accounting, with the world of the sandbox in its database. Tryton's own
//! server on SQLite, so that it needs nothing but Python.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::Product;
use super::cache::{self, Cache};
use super::running::{Place, Program, Running};
use crate::stop;

pub const PRODUCT: Product = Product {
    name: "tryton",
    says: "ERP: Tryton 8, orders, stock, invoices and cash",
    install: |cache| database(cache).map(drop),
    start,
};

const DATABASE: &str = "crossdock";
/// What set_up.py gives to the connector and to the colleague who works beside it.
const USER: &str = "crossdock";
const PASSWORD: &str = "crossdock-rpc-password";
const KEY: &str = "crossdock-rest-key";
const CLERK_KEY: &str = "clerk-rest-key";

/// The database as set_up.py makes it, once: that takes minutes.
fn database(cache: &Cache) -> Result<PathBuf> {
    let python = cache.python("tryton")?;
    let scripts = cache::scripts("tryton");
    let read = |file: &str| {
        let path = scripts.join(file);
        std::fs::read(&path).with_context(|| path.display().to_string())
    };
    let made_of = [read("requirements.txt")?, read("set_up.py")?];
    let folder = cache.once("tryton-database", &[&made_of[0], &made_of[1]], |folder| {
        println!("setting up Tryton's database (once, some minutes)");
        let mut script = Command::new(&python);
        script.arg(scripts.join("set_up.py")).arg(folder);
        cache::run(&mut script, "set_up.py", "see tests/products/tryton")
    })?;
    Ok(folder.join(format!("{DATABASE}.sqlite")))
}

fn start(cache: &Cache, place: &Place) -> Result<Running> {
    let port = place.port("tryton")?;
    let folder = place.folder("tryton")?;
    let file = folder.join(format!("{DATABASE}.sqlite"));
    if !file.exists() {
        std::fs::copy(database(cache)?, &file)
            .map_err(|error| stop::disk(format!("{} cannot be written", file.display()), &error))?;
    }
    let set = |name: &str, value: String| (name.to_owned(), value);
    let process = place.start(&Program {
        name: "tryton",
        program: &cache.python("tryton")?,
        arguments: &["-m", "trytond.cli", "--database", DATABASE].map(str::to_owned),
        environment: &[
            set("TRYTOND_DATABASE_URI", "sqlite://".to_owned()),
            set("TRYTOND_DATABASE__PATH", folder.display().to_string()),
            set("TRYTOND_WEB__LISTEN", format!("127.0.0.1:{port}")),
            // Tryton's web client is not here.
            set("TRYTOND_WEB__ROOT", String::new()),
        ],
        answers: (port, "/"),
    })?;
    Ok(Running::of(process)
        .tells("TRYTON_URL", format!("http://127.0.0.1:{port}"))
        .tells("TRYTON_DATABASE", DATABASE)
        .tells("TRYTON_KEY", KEY)
        .tells("TRYTON_USER", USER)
        .tells("TRYTON_PASSWORD", PASSWORD)
        .tells("TRYTON_CLERK_KEY", CLERK_KEY))
}
