//! `crossdock.toml`: what differs between environments. Aliases, upstreams, secrets and limits are
//! bound here; route files are the same everywhere. Parts own their own configuration; this module
//! reads the file, substitutes variables, checks names against each other and resolves paths.

mod breaker;
mod client;
mod duration;
mod listen;
mod maintenance;
mod retries;
mod secret;
mod substitute;
mod written;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use breaker::Breaker;
pub use client::{ClientEntry, ClientHmac};
pub use duration::Span;
pub use listen::{Listen, Tls};
pub use maintenance::Window;
pub use retries::RetryEntry;
pub use secret::{SecretSource, SecretSources};
pub use written::{Auth, ConnectorEntry, Upstream, WebhookEntry, WebhookVerify, Work, Written};

/// A checked configuration. Paths are absolute or relative to the working directory.
#[derive(Clone, Debug)]
pub struct Config {
    pub file: PathBuf,
    pub environment: String,
    /// Journal and compiled components.
    pub data: PathBuf,
    pub routes: Vec<PathBuf>,
    pub contracts: Vec<PathBuf>,
    pub listen: Listen,
    pub clients: BTreeMap<String, ClientEntry>,
    pub work: Work,
    pub connectors: BTreeMap<String, ConnectorEntry>,
    pub upstreams: BTreeMap<String, Upstream>,
    pub limits: BTreeMap<String, crate::limits::Config>,
    pub retention: crate::retention::Config,
    /// Retry policies that routes name.
    pub retries: BTreeMap<String, route::Policy>,
    /// What people do not see of documents.
    pub mask: crate::mask::Config,
    pub maintenance: BTreeMap<String, Window>,
}

/// The configuration cannot be used; the text names file, line, reason and fix.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {}: {reason}\n  help: {help}", path.display())]
    Unreadable { path: PathBuf, reason: String, help: &'static str },
    #[error("{}", .0.join("\n\n"))]
    Wrong(Vec<String>),
}

impl Config {
    pub fn read(path: &Path) -> Result<Config, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
            help: "name the configuration with --config FILE, or start in a folder that has a crossdock.toml",
        })?;
        Config::parse(path, &text, &|name| std::env::var(name).ok())
    }

    /// `variable` answers `${NAME}`; the process environment outside of tests.
    pub fn parse(
        path: &Path,
        text: &str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, Error> {
        let written = substitute::parse(path, text, variable)?;
        let mut problems = cross_check(path, &written);
        let retries = retries::policies(&written.retries).unwrap_or_else(|found| {
            problems.extend(found.iter().map(|(name, problem)| {
                format!(
                    "error[CD0015]: [retries.{name}]: {}\n --> {}\n  help: {}",
                    problem.reason,
                    path.display(),
                    problem.help,
                )
            }));
            BTreeMap::new()
        });
        if !problems.is_empty() {
            return Err(Error::Wrong(problems));
        }
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut listen = written.listen;
        for tls in [&mut listen.tls, &mut listen.admin_tls].into_iter().flatten() {
            tls.certificate = base.join(&tls.certificate);
        }
        let mut upstreams = written.upstreams;
        for ca in upstreams.values_mut().filter_map(|upstream| upstream.ca.as_mut()) {
            *ca = base.join(&*ca);
        }
        let mut connectors = written.connectors;
        for connector in connectors.values_mut() {
            connector.component = base.join(&connector.component);
        }
        Ok(Config {
            file: path.to_owned(),
            environment: written.environment,
            data: base.join(written.data),
            routes: written.routes.into_vec().iter().map(|folder| base.join(folder)).collect(),
            contracts: written
                .contracts
                .into_vec()
                .iter()
                .map(|folder| base.join(folder))
                .collect(),
            listen,
            clients: written.clients,
            work: written.work,
            connectors,
            upstreams,
            limits: written.limits,
            retention: written.retention,
            retries,
            mask: written.mask,
            maintenance: written.maintenance,
        })
    }
}

/// Names that refer to other tables must exist there.
fn cross_check(path: &Path, written: &Written) -> Vec<String> {
    let mut problems = Vec::new();
    let mut limit = |place: String, name: &Option<String>| {
        let Some(name) = name else { return };
        if !written.limits.contains_key(name) {
            let known = written.limits.keys().map(String::as_str);
            problems.push(format!(
                "error[CD0012]: {place} names the limit `{name}`, which does not exist\n --> {}\n  help: {}",
                path.display(),
                crate::suggest::help(name, known, &format!("add a table [limits.{name}]")),
            ));
        }
    };
    for (alias, connector) in &written.connectors {
        limit(format!("[connectors.{alias}]"), &connector.limit);
    }
    for (name, upstream) in &written.upstreams {
        limit(format!("[upstreams.{name}]"), &upstream.limit);
    }
    for (name, client) in &written.clients {
        limit(format!("[clients.{name}]"), &client.limit);
    }
    for (name, client) in &written.clients {
        if let Err((reason, help)) = check_client(name, client) {
            problems.push(format!(
                "error[CD0017]: [clients.{name}] {reason}\n --> {}\n  help: {help}",
                path.display(),
            ));
        }
    }
    for (name, window) in &written.maintenance {
        problems.extend(window.check(name, written, path));
    }
    for (name, upstream) in &written.upstreams {
        if let Err(reason) = check_base_url(&upstream.base_url) {
            problems.push(format!(
                "error[CD0013]: [upstreams.{name}] base_url = \"{}\" {reason}\n --> {}\n  help: write it like \"https://api.example.com/v1\"",
                upstream.base_url,
                path.display(),
            ));
        }
    }
    for (alias, connector) in &written.connectors {
        for key in secret_like_keys(&connector.config) {
            problems.push(format!(
                "error[CD0014]: [connectors.{alias}] config.{key} looks like a secret, and a connector never sees one\n --> {}\n  help: move it to `auth` of the upstream that needs it, or to [connectors.{alias}.secrets] for signing by name",
                path.display(),
            ));
        }
    }
    if let Some(problem) = written.retention.problem() {
        problems.push(format!(
            "error[CD0019]: [retention] contradicts itself: {problem}\n --> {}\n  help: a payload belongs to a kept exchange, and a key outlives its exchange",
            path.display(),
        ));
    }
    problems
}

fn check_client(name: &str, client: &ClientEntry) -> Result<(), (String, &'static str)> {
    let of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(of_name) {
        return Err((
            "is no name for a client".to_owned(),
            "use lower-case letters, digits and `-`",
        ));
    }
    match &client.hmac {
        None if client.key.is_empty() => Err((
            "has neither `key` nor `hmac`, so nobody could be it".to_owned(),
            "add key = { env = \"NAME\" }, or hmac = { secret = { env = \"NAME\" } }",
        )),
        Some(hmac) if hmac.secret.is_empty() => {
            Err(("signs with no secret".to_owned(), "add secret = { env = \"NAME\" } to `hmac`"))
        }
        _ => Ok(()),
    }
}

fn check_base_url(url: &str) -> Result<(), &'static str> {
    let uri: http::Uri = url.parse().map_err(|_| "is not a URL")?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(_)) => Ok(()),
        (_, None) => Err("names no host"),
        _ => Err("must begin with http:// or https://"),
    }
}

/// Keys of a connector's own configuration that by name hold a credential.
fn secret_like_keys(config: &toml::Table) -> Vec<String> {
    const MARKS: [&str; 7] =
        ["secret", "password", "passwd", "token", "api_key", "apikey", "private_key"];
    let mut found = Vec::new();
    let mut open: Vec<(String, &toml::Value)> =
        config.iter().map(|(key, value)| (key.clone(), value)).collect();
    while let Some((path, value)) = open.pop() {
        let name = path.rsplit('.').next().unwrap_or(&path).to_ascii_lowercase().replace('-', "_");
        if value.is_str() && MARKS.iter().any(|mark| name.contains(mark)) {
            found.push(path);
        } else if let toml::Value::Table(table) = value {
            open.extend(table.iter().map(|(key, value)| (format!("{path}.{key}"), value)));
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_is_on_unless_it_is_switched_off() {
        let of = |keys: &str| {
            let text = format!("[connectors.erp]\ncomponent = \"a.wasm\"\n{keys}");
            parse(&text).unwrap().connectors["erp"].breaker.0
        };
        assert_eq!(of(""), Some(crate::limits::BreakerConfig::default()));
        assert_eq!(of("breaker = false"), None);
        assert_eq!(
            of("[connectors.erp.breaker]\nfailures = 3").map(|found| found.failures),
            Some(3)
        );
    }

    const MINIMAL: &str = "environment = \"test\"\n";

    fn parse(text: &str) -> Result<Config, String> {
        let variable = |name: &str| (name == "HOST").then(|| "erp.example".to_owned());
        Config::parse(Path::new("conf/crossdock.toml"), text, &variable).map_err(|e| e.to_string())
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let config = parse(MINIMAL).unwrap();
        assert_eq!(config.data, Path::new("conf/.crossdock"));
        assert_eq!(config.routes, [Path::new("conf/routes")]);
        assert!(config.listen.http.ip().is_loopback());
    }

    #[test]
    fn variables_are_substituted_with_defaults() {
        let config = parse(
            "[upstreams.erp]\nbase_url = \"https://${HOST}/${PATH_X:-api}\"\nauth = { kind = \"none\" }\n",
        )
        .unwrap();
        assert_eq!(config.upstreams["erp"].base_url, "https://erp.example/api");
    }

    #[test]
    fn problems_name_place_and_fix() {
        for (text, expected) in [
            ("enviroment = \"x\"\n", "unknown field `enviroment`"),
            ("data = \"${NOWHERE}\"\n", "NOWHERE"),
            (
                "[connectors.erp]\ncomponent = \"a.wasm\"\nlimit = \"tryton\"\n[limits.trytom]\n",
                "did you mean `trytom`",
            ),
            (
                "[connectors.erp]\ncomponent = \"a.wasm\"\nconfig = { api_token = \"x\" }\n",
                "config.api_token looks like a secret",
            ),
            ("[limits.a]\nrate = \"10/fortnight\"\n", "is not a rate"),
            ("[clients.shop]\nlimit = \"a\"\n[limits.a]\n", "neither `key` nor `hmac`"),
            ("[clients.Shop]\nkey = { env = \"K\" }\n", "is no name for a client"),
            ("[clients.shop]\nkey = \"sk_live\"\n", "a secret is named, never written"),
            (
                "[clients.shop]\nkey = { env = \"K\" }\nlimit = \"b\"\n[limits.a]\n",
                "names the limit `b`",
            ),
            ("[retries.a]\nattempts = 0\n", "`attempts` takes 1 to 1000, not 0"),
            ("[retries.a]\non = [\"5xx\", \"7xx\"]\n", "`7xx` names no fault"),
            ("[retries.none]\nattempts = 3\n", "`none` has a meaning of its own"),
            ("[retries.a]\njiter = \"full\"\n", "unknown field `jiter`"),
            ("[limits.a]\ndaily = 5\nzone = \"Berlin\"\n", "is not a time zone"),
            ("[limits.a]\ndaily = 0\n", "nonzero"),
            (
                "[connectors.erp]\ncomponent = \"a.wasm\"\nbreaker = { share = 2.0 }\n",
                "`share` must be above 0",
            ),
            (
                "[connectors.erp]\ncomponent = \"a.wasm\"\nbreaker = { faults = 2 }\n",
                "unknown field `faults`",
            ),
            (
                "[connectors.erp]\ncomponent = \"a.wasm\"\nbreaker = \"off\"\n",
                "`false`, or a table",
            ),
            ("[upstreams.a]\nbase_url = \"ftp://x\"\n", "must begin with http"),
            (
                "[retention]\nfinished = \"30d\"\npayloads = \"90d\"\n",
                "`payloads` must be at most as long as `finished`",
            ),
            (
                "[retention]\nfinished = \"30d\"\nkeys = \"7d\"\n",
                "`keys` must be at least as long as `finished`",
            ),
            ("[retention]\naudit = \"7 years\"\n", "is not a duration"),
        ] {
            let report = parse(text).unwrap_err();
            assert!(report.contains(expected), "{text}\n{report}");
            assert!(report.contains("crossdock.toml"), "{report}");
        }
    }
}
