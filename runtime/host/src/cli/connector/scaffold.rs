//! `crossdock connector new NAME`: a crate with a contract of its own, one operation, and a test. It
//! builds as it is written; from there the author changes it into what it should be.

use std::path::{Path, PathBuf};

use crate::cli::Failure;

#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Name of the connector, in lower case with hyphens; also the folder that is made.
    name: String,
    /// Where the SDK is; found above the current folder when absent.
    #[arg(long, value_name = "FOLDER")]
    sdk: Option<PathBuf>,
}

/// The files of a new connector, with `NAME`, `PACKAGE` and `SDK` to be filled in.
const FILES: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.txt")),
    ("wit/NAME.wit", include_str!("template/contract.wit.txt")),
    ("src/lib.rs", include_str!("template/lib.rs.txt")),
    ("src/greeting.rs", include_str!("template/greeting.rs.txt")),
    (".gitignore", "/target\n"),
];

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let name = &arguments.name;
    check_name(name)?;
    let folder = PathBuf::from(name);
    if folder.exists() {
        return Err(Failure::files(format!(
            "{} exists already\n  help: choose another name, or remove the folder",
            folder.display()
        )));
    }
    let sdk = match &arguments.sdk {
        Some(sdk) => sdk.canonicalize().map_err(|error| {
            Failure::files(format!("there is no SDK at {}: {error}", sdk.display()))
        })?,
        None => find_sdk()?,
    };
    for (path, template) in FILES {
        let path = folder.join(path.replace("NAME", name));
        let text = template
            .replace("{{name}}", name)
            .replace("{{module}}", &name.replace('-', "_"))
            .replace("{{sdk}}", &sdk.display().to_string());
        let parent = path.parent().unwrap_or(Path::new(""));
        std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&path, text)).map_err(
            |error| Failure::surroundings(format!("{} cannot be written: {error}", path.display())),
        )?;
    }
    say!(
        "{name}/ is written. Next:\n  cd {name}\n  cargo test\n  cargo build --release --target wasm32-wasip2\n  crossdock connector inspect target/wasm32-wasip2/release/{}.wasm",
        name.replace('-', "_")
    );
    Ok(())
}

fn check_name(name: &str) -> Result<(), Failure> {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if name.split('-').all(word) {
        return Ok(());
    }
    Err(Failure::files(format!(
        "`{name}` cannot be the name of a connector\n  help: words of lower-case letters and digits joined by hyphens, each beginning with a letter: `acme-loyalty`"
    )))
}

/// `connectors/sdk` in this folder or one above it.
fn find_sdk() -> Result<PathBuf, Failure> {
    let here = std::env::current_dir().map_err(Failure::surroundings)?;
    here.ancestors()
        .map(|folder| folder.join("connectors/sdk"))
        .find(|sdk| sdk.join("Cargo.toml").is_file())
        .ok_or_else(|| {
            Failure::files(
                "the connector SDK was not found above this folder\n  help: name it with --sdk PATH/TO/crossdock/connectors/sdk",
            )
        })
}
