//! Where products are installed: one folder, `CROSSDOCK_PRODUCTS` or target/products, which holds
//! nothing that cannot be made again. What is in it depends on files of this repository and is named
//! by their digest: a changed list of packages is another folder.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{interrupt, stop, workspace};

/// Written last into a folder of the cache; without it, an earlier run was stopped in the middle.
const WHOLE: &str = ".whole";

pub struct Cache {
    root: PathBuf,
}

impl Cache {
    pub fn open() -> Result<Cache> {
        let root = std::env::var_os("CROSSDOCK_PRODUCTS")
            .map_or_else(|| workspace::target().join("products"), PathBuf::from);
        std::fs::create_dir_all(&root).map_err(|error| unusable(&root, &error))?;
        Ok(Cache { root })
    }

    /// A folder that is made once for `made_of`. `make` gets it empty; unless it succeeds, the
    /// folder counts as absent.
    pub fn once(
        &self,
        name: &str,
        made_of: &[&[u8]],
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let mut digest = DefaultHasher::new();
        made_of.hash(&mut digest);
        let folder = self.root.join(format!("{name}-{:016x}", digest.finish()));
        if folder.join(WHOLE).exists() {
            return Ok(folder);
        }
        let _lock = self.lock()?;
        if folder.join(WHOLE).exists() {
            return Ok(folder);
        }
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)
            .map_err(|error| stop::disk(format!("{} cannot be made", folder.display()), &error))?;
        make(&folder)?;
        std::fs::write(folder.join(WHOLE), "").map_err(|error| {
            stop::disk(format!("{} cannot be written", folder.display()), &error)
        })?;
        Ok(folder)
    }

    /// Two runs never install at the same time.
    fn lock(&self) -> Result<File> {
        let lock =
            File::create(self.root.join(".lock")).map_err(|error| unusable(&self.root, &error))?;
        if lock.try_lock().is_err() {
            println!("another run installs into {}; waiting for it", self.root.display());
            lock.lock().map_err(|error| unusable(&self.root, &error))?;
        }
        Ok(lock)
    }

    /// A Python of its own with exactly the packages of `tests/products/NAME/requirements.txt`:
    /// the path of its interpreter. Console scripts of packages lie beside it.
    pub fn python(&self, name: &str) -> Result<PathBuf> {
        let list = scripts(name).join("requirements.txt");
        let packages = std::fs::read(&list).with_context(|| list.display().to_string())?;
        let folder = self.once(&format!("{name}-python"), &[&packages], |folder| {
            println!("installing {name} by pip (once)");
            run(
                Command::new("python3").args(["-m", "venv"]).arg(folder),
                "python3 -m venv",
                PYTHON,
            )?;
            let python = folder.join("bin/python");
            let mut pip = Command::new(python);
            // Every package is in the list, with its version: what others need is not looked for.
            pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-input"]);
            pip.args(["--disable-pip-version-check", "--requirement"]).arg(&list);
            run(&mut pip, &format!("pip install --requirement {}", list.display()), NETWORK)
        })?;
        Ok(folder.join("bin/python"))
    }

    /// The folder whose node_modules hold exactly what `tests/products/NAME/package-lock.json` says.
    pub fn node(&self, name: &str) -> Result<PathBuf> {
        let read = |file: &str| {
            let path = scripts(name).join(file);
            std::fs::read(&path).with_context(|| path.display().to_string())
        };
        let (package, lock) = (read("package.json")?, read("package-lock.json")?);
        self.once(&format!("{name}-node"), &[&package, &lock], |folder| {
            println!("installing {name} by npm (once)");
            std::fs::write(folder.join("package.json"), &package)?;
            std::fs::write(folder.join("package-lock.json"), &lock)?;
            let mut npm = Command::new("npm");
            npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]);
            run(npm.current_dir(folder), &format!("npm ci for {name}"), NETWORK)
        })
    }
}

fn unusable(root: &Path, error: &std::io::Error) -> anyhow::Error {
    stop::disk(format!("the cache of products {} cannot be used", root.display()), error)
}

/// What belongs to one product in this repository: its packages and how it is set up.
pub fn scripts(name: &str) -> PathBuf {
    workspace::root().join("tests/products").join(name)
}

/// What the package manager needs.
const PYTHON: &str = "products in Python need python3 (3.11 or newer) with its module venv";
const NETWORK: &str =
    "the package registry must be reachable (PyPI, npm), and python3 or npm be there";

/// Runs a command of the set-up; shows what it printed only if it failed.
pub fn run(command: &mut Command, shown: &str, help: &str) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| {
        stop::surroundings(format!("`{shown}` cannot be started: {error}\n  help: {help}"))
    })?;
    if interrupt::interrupted() {
        bail!("interrupted in `{shown}`");
    }
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().collect();
    let last = lines[lines.len().saturating_sub(30)..].join("\n  ");
    bail!("`{shown}` failed ({}):\n  {last}\n  help: {help}", output.status)
}
