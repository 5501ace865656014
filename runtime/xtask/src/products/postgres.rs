//! PostgreSQL, as this machine has it: no package registry brings it. It refuses to be run by root,
//! so that root runs it as the user `postgres` or `nobody`.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Product;
use super::cache::{Cache, run};
use super::running::{Place, Program, Running};
use crate::{interrupt, stop};

pub const PRODUCT: Product = Product {
    name: NAME,
    says: "PostgreSQL, where the machine has it",
    install: |_| binaries().map(drop),
    start,
};

const NAME: &str = "postgres";
const USER: &str = "crossdock";
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);

fn start(_: &Cache, place: &Place) -> Result<Running> {
    let binaries = binaries()?;
    let folder = place.folder(NAME)?;
    let other = other_user()?;
    if let Some((user, group)) = other {
        chown(&folder, Some(user), Some(group))
            .map_err(|error| stop::disk(format!("{} cannot be given", folder.display()), &error))?;
    }
    let data = folder.join("data");
    if !data.join("PG_VERSION").exists() {
        let (program, mut arguments) = as_user(other, &binaries.join("initdb"));
        arguments.push(format!("--pgdata={}", data.display()));
        for argument in ["--auth=trust", "--encoding=UTF8", "--no-locale"] {
            arguments.push(argument.to_owned());
        }
        arguments.push(format!("--username={USER}"));
        let help = "its user must be able to reach the folder";
        run(Command::new(program).args(arguments).current_dir("/"), "initdb", help)?;
    }
    let port = place.port(NAME)?;
    let (program, mut arguments) = as_user(other, &binaries.join("postgres"));
    arguments.extend(["-D".to_owned(), data.display().to_string()]);
    // No socket in a folder that other servers of this machine share.
    for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories="] {
        arguments.extend(["-c".to_owned(), setting.to_owned()]);
    }
    arguments.extend(["-p".to_owned(), port.to_string()]);
    let mut process = place.spawn(&Program {
        name: NAME,
        program: &program,
        arguments: &arguments,
        environment: &[],
        answers: (port, ""),
    })?;
    let end = Instant::now() + READY_TIMEOUT;
    while !is_ready(&binaries, port)? {
        process.alive()?;
        if Instant::now() > end {
            bail!("{NAME} was not ready in time; see {}", place.log(NAME).display());
        }
        interrupt::sleep(LOOK)?;
    }
    let url = format!("postgres://{USER}@127.0.0.1:{port}/postgres");
    Ok(Running::of(process).tells("POSTGRES_URL", url))
}

fn is_ready(binaries: &Path, port: u16) -> Result<bool> {
    let mut asked = Command::new(binaries.join("pg_isready"));
    asked.args(["--quiet", "--host=127.0.0.1"]).arg(format!("--port={port}"));
    Ok(asked.status().context("pg_isready")?.success())
}

/// The folder with `initdb`, `postgres` and `pg_isready`: on the path, or the newest of Debian's.
fn binaries() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path);
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect();
    versions.sort();
    let debians = versions.into_iter().rev().map(|(_, folder)| folder.join("bin"));
    let has_all = |folder: &PathBuf| {
        ["initdb", "postgres", "pg_isready"].iter().all(|name| folder.join(name).is_file())
    };
    on_path.chain(debians).find(has_all).ok_or_else(|| {
        stop::absent(
            "postgres: no PostgreSQL server is on this machine (initdb, postgres and pg_isready, in PATH or /usr/lib/postgresql/VERSION/bin)\n  help: install it, on Debian by `apt-get install postgresql`",
        )
    })
}

/// User and group to become, where we are root.
fn other_user() -> Result<Option<(u32, u32)>> {
    if id(&["-u"]) != Some(0) {
        return Ok(None);
    }
    let found = ["postgres", "nobody"]
        .iter()
        .find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)));
    let help = "root must not run PostgreSQL, and there is neither a user `postgres` nor `nobody`";
    found.map(Some).ok_or_else(|| stop::surroundings(help))
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// `setpriv` replaces itself by the program: the process id stays, and a signal reaches it.
fn as_user(other: Option<(u32, u32)>, program: &Path) -> (PathBuf, Vec<String>) {
    match other {
        None => (program.to_owned(), Vec::new()),
        Some((user, group)) => {
            let arguments = [
                format!("--reuid={user}"),
                format!("--regid={group}"),
                "--clear-groups".to_owned(),
                program.display().to_string(),
            ];
            (PathBuf::from("setpriv"), arguments.into())
        }
    }
}
