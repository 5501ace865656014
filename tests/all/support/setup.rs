//! A folder with a configuration and routes, as an admin would have it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::built;
use super::runtime::Runtime;
use super::system::System;

/// The type of the guest `depot`.
pub const PARCEL: &str = "acme:depot/parcels.parcel@1";

pub struct Setup {
    folder: TempDir,
    listen: String,
    tables: String,
    pub environment: Vec<(String, String)>,
    /// Said to a shell before it becomes `crossdock`.
    pub shell: Option<String>,
}

/// How a command ended, with what it said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Setup {
    pub fn new() -> Setup {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("routes")).expect("a folder for routes");
        Setup {
            folder,
            listen: String::new(),
            tables: String::new(),
            environment: Vec::new(),
            shell: None,
        }
    }

    /// The guest `depot` with its system, as the alias `depot`.
    pub fn with_depot(system: &System) -> Setup {
        Setup::new().connector("depot", "depot", "").upstream("depot", system, "")
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// More keys under `[listen]`.
    pub fn listen(mut self, keys: &str) -> Setup {
        self.listen.push_str(keys);
        self.listen.push('\n');
        self
    }

    /// More tables of the configuration.
    pub fn tables(mut self, text: &str) -> Setup {
        self.tables.push_str(text);
        self.tables.push('\n');
        self
    }

    /// More tables for a runtime that is started again.
    pub fn add_tables(&mut self, text: &str) {
        self.tables.push_str(text);
        self.tables.push('\n');
    }

    /// As if no table had been written yet.
    pub fn without_tables(mut self) -> Setup {
        self.tables.clear();
        self
    }

    pub fn connector(self, alias: &str, guest: &str, keys: &str) -> Setup {
        let component = built::guest(guest);
        let component = component.display();
        self.tables(&format!("[connectors.{alias}]\ncomponent = \"{component}\"\n{keys}"))
    }

    pub fn upstream(self, name: &str, system: &System, keys: &str) -> Setup {
        let url = system.url();
        self.tables(&format!("[upstreams.{name}]\nbase_url = \"{url}\"\n{keys}"))
    }

    /// A route file; the same name again replaces it.
    pub fn route(self, name: &str, text: &str) -> Setup {
        self.write_route(name, text);
        self
    }

    pub fn write_route(&self, name: &str, text: &str) {
        self.write(&format!("routes/{name}.toml"), text);
    }

    pub fn write(&self, path: &str, text: &str) {
        std::fs::write(self.path().join(path), text).expect("the folder can be written");
    }

    pub fn with_file(self, path: &str, text: &str) -> Setup {
        self.write(path, text);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Setup {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn start(self) -> Runtime {
        Runtime::start(self)
    }

    /// `crossdock ARGUMENTS` in this folder, on a configuration with these addresses.
    pub fn crossdock(&self, arguments: &[&str], http: &str, admin: &str) -> Said {
        self.write_config("crossdock.toml", http, admin);
        self.command(arguments).into()
    }

    /// `crossdock ARGUMENTS` in this folder, whatever is in it.
    pub fn command(&self, arguments: &[&str]) -> Output {
        self.prepared(arguments).output().expect("crossdock starts")
    }

    pub fn prepared(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.shell {
            Some(said) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("{said}; exec \"$0\" \"$@\"")]).arg(built::crossdock());
                shell
            }
            None => Command::new(built::crossdock()),
        };
        command.args(arguments).current_dir(self.path()).env("NO_COLOR", "1").env("USER", "tester");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn write_config(&self, name: &str, http: &str, admin: &str) -> PathBuf {
        let contracts = built::workspace().join("wit");
        let text = format!(
            "environment = \"test\"\ndata = \"data\"\ncontracts = \"{}\"\n\n[listen]\nhttp = \"{http}\"\nadmin = \"{admin}\"\n{}\n{}",
            contracts.display(),
            self.listen,
            self.tables
        );
        self.write(name, &text);
        self.path().join(name)
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        Said {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
