//! Which folders of `wit/` a set of interfaces needs, dependencies first. A dependency is found by
//! its name in the text of a WIT file (`crossdock:core/types@1.0.0`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub struct Folders {
    /// `wit/` of the repository that this SDK stands in.
    root: PathBuf,
    ordered: Vec<PathBuf>,
    visited: BTreeSet<PathBuf>,
}

pub struct Interface {
    pub full: String,
    pub package: String,
    pub interface: String,
}

impl Folders {
    /// `own`: the author's package folders, relative to the crate being compiled.
    pub fn new(own: &[String]) -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit");
        let root = root
            .canonicalize()
            .map_err(|error| format!("the contracts are not at {}: {error}", root.display()))?;
        let mut folders = Folders { root, ordered: Vec::new(), visited: BTreeSet::new() };
        let crate_folder = std::env::var("CARGO_MANIFEST_DIR").map_err(|e| e.to_string())?;
        for folder in own {
            folders.require(Path::new(&crate_folder).join(folder))?;
        }
        Ok(folders)
    }

    /// `namespace:package/interface@version`. Packages of other namespaces must be in `wit`.
    pub fn require_interface(&mut self, name: &str) -> Result<(), String> {
        let parts = name
            .split_once('@')
            .and_then(|(path, version)| Some((path.split_once('/')?.0, version)));
        let Some((package, version)) = parts else {
            return Err(format!(
                "`{name}` is not an interface; write `namespace:package/interface@version`"
            ));
        };
        match package.strip_prefix("crossdock:") {
            Some(package) if self.root.join(package).is_dir() => {
                self.require(self.root.join(package).join(version))
            }
            _ => Ok(()),
        }
    }

    /// The highest 1.x version of a package of the repository.
    pub fn require_highest(&mut self, package: &str) -> Result<(), String> {
        let folder = self.root.join(package);
        let mut versions: Vec<(Vec<u64>, PathBuf)> = read_folder(&folder)?
            .into_iter()
            .filter_map(|path| {
                let name = path.file_name()?.to_str()?.to_owned();
                let parts = name.split('.').map(str::parse).collect::<Result<Vec<u64>, _>>();
                Some((parts.ok()?, path))
            })
            .collect();
        versions.sort();
        let (_, highest) =
            versions.pop().ok_or(format!("no version of {package} in {}", folder.display()))?;
        self.require(highest)
    }

    /// The interfaces of these packages, of the folders required so far.
    pub fn interfaces(&self, packages: &[&str]) -> Result<Vec<Interface>, String> {
        let mut found = Vec::new();
        for folder in &self.ordered {
            let Ok(relative) = folder.strip_prefix(&self.root) else { continue };
            let mut parts = relative.iter().filter_map(|part| part.to_str());
            let (Some(package), Some(version)) = (parts.next(), parts.next()) else { continue };
            if !packages.contains(&package) {
                continue;
            }
            for text in texts(folder)? {
                for line in text.lines() {
                    let Some(rest) = line.strip_prefix("interface ") else { continue };
                    let interface = rest.split([' ', '{']).next().unwrap_or_default().to_owned();
                    found.push(Interface {
                        full: format!("crossdock:{package}/{interface}@{version}"),
                        package: package.to_owned(),
                        interface,
                    });
                }
            }
        }
        Ok(found)
    }

    /// In the order that wit-bindgen wants: what is used stands before what uses it.
    pub fn paths(&self) -> Result<Vec<&str>, String> {
        self.ordered
            .iter()
            .map(|path| path.to_str().ok_or(format!("the path {} is not UTF-8", path.display())))
            .collect()
    }

    fn require(&mut self, folder: PathBuf) -> Result<(), String> {
        let folder = folder
            .canonicalize()
            .map_err(|error| format!("no WIT package at {}: {error}", folder.display()))?;
        if !self.visited.insert(folder.clone()) {
            return Ok(());
        }
        for text in texts(&folder)? {
            for name in dependencies(&text) {
                self.require_interface(&name)?;
            }
        }
        self.ordered.push(folder);
        Ok(())
    }
}

fn texts(folder: &Path) -> Result<Vec<String>, String> {
    let mut files = read_folder(folder)?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wit"));
    files.sort();
    files
        .iter()
        .map(|path| fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display())))
        .collect()
}

fn read_folder(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

/// Every `crossdock:package/interface@version` that a `use` or `import` names.
fn dependencies(text: &str) -> Vec<String> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let mut found = Vec::new();
    for line in code {
        for (at, _) in line.match_indices("crossdock:") {
            let name: String = line[at..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || ":/@.-".contains(*c))
                .collect();
            // `use a:b/c@1.0.0.{t}` ends with the point before the brace.
            let name = name.trim_end_matches('.');
            if name.contains('/') && name.contains('@') {
                found.push(name.to_owned());
            }
        }
    }
    found
}
