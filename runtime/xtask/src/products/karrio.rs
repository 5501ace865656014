//! Karrio: rates, labels and tracking, with a carrier of our own that has a rate sheet. Two processes:
//! the API, and the worker that sends webhooks. Its first migration takes minutes: the database is
//! kept in the cache, and each run begins with a copy.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Product;
use super::cache::{self, Cache};
use super::running::{Place, Program, Running};

pub const PRODUCT: Product = Product {
    name: "karrio",
    says: "TMS: rates, labels, trackers and webhooks; test mode",
    install: |cache| database(cache).map(drop),
    start,
};

const EMAIL: &str = "admin@crossdock.test";
const PASSWORD: &str = "crossdock-karrio";
/// An API key has its mode of its own: this one is in test mode.
const KEY: &str = "key_crossdock";
/// How long an access token lives: over in the middle of a suite.
const ACCESS_SECONDS: u32 = 20;

const DATABASE: &str = "karrio.sqlite3";

fn start(cache: &Cache, place: &Place) -> Result<Running> {
    let port = place.port("karrio")?;
    let folder = place.folder("karrio")?;
    let own = folder.join(DATABASE);
    if !own.exists() {
        std::fs::copy(database(cache)?, &own).with_context(|| own.display().to_string())?;
    }
    let scripts = cache.python("karrio")?.with_file_name("");
    let environment = environment(&folder);
    let server = place.start(&Program {
        name: "karrio",
        program: &scripts.join("gunicorn"),
        arguments: &words(&format!(
            "--workers 1 --threads 4 --bind 127.0.0.1:{port} karrio.server.wsgi"
        )),
        environment: &environment,
        answers: (port, "/v1/references"),
    })?;
    let worker = place.spawn(&Program {
        name: "karrio-worker",
        program: &scripts.join("karrio"),
        arguments: &words("run_huey --workers 1"),
        environment: &environment,
        answers: (port, ""),
    })?;
    Ok(Running::of(server)
        .with(worker)
        .tells("KARRIO_URL", format!("http://127.0.0.1:{port}"))
        .tells("KARRIO_EMAIL", EMAIL)
        .tells("KARRIO_PASSWORD", PASSWORD)
        .tells("KARRIO_KEY", KEY))
}

/// The database as it is after the migration and the set-up.
fn database(cache: &Cache) -> Result<std::path::PathBuf> {
    let python = cache.python("karrio")?;
    let files = ["requirements.txt", "set_up.py"];
    let made_of = files.map(|file| std::fs::read(cache::scripts("karrio").join(file)));
    let made_of = made_of.into_iter().collect::<Result<Vec<_>, _>>()?;
    let made_of: Vec<&[u8]> = made_of.iter().map(Vec::as_slice).collect();
    let folder = cache.once("karrio-database", &made_of, |folder| {
        println!("migrating karrio's database (once; some minutes)");
        let environment = environment(folder);
        let mut migrate = Command::new(python.with_file_name("karrio"));
        migrate.args(["migrate", "--no-input"]).envs(environment.iter().cloned());
        cache::run(&mut migrate, "karrio migrate", "see karrio's log above")?;
        let script = cache::scripts("karrio").join("set_up.py");
        let mut set_up = Command::new(&python);
        set_up.arg(script).args([EMAIL, PASSWORD, KEY]).envs(environment);
        cache::run(&mut set_up, "set_up.py", "see karrio's log above")
    })?;
    Ok(folder.join(DATABASE))
}

fn environment(folder: &Path) -> Vec<(String, String)> {
    let scripts = cache::scripts("karrio").display().to_string();
    let folder = folder.display().to_string();
    let variables = [
        ("PYTHONPATH", scripts.as_str()),
        ("DJANGO_SETTINGS_MODULE", "settings"),
        ("KARRIO_ACCESS_SECONDS", &ACCESS_SECONDS.to_string()),
        ("SECRET_KEY", "signs the tokens of this machine's own tests, nothing else"),
        ("DEBUG_MODE", "False"),
        ("LOG_LEVEL", "WARNING"),
        ("ALLOWED_HOSTS", "127.0.0.1"),
        ("WORK_DIR", &folder),
        ("DATABASE_ENGINE", "sqlite3"),
        ("DATABASE_NAME", DATABASE),
        ("PERSIST_SDK_TRACING", "False"),
        // A suite asks faster than an office does.
        ("USER_RATE_LIMIT", "100000/minute"),
        ("CARRIER_REQUEST_RATE_LIMIT", "100000/minute"),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}
