//! From configuration to loaded connectors: upstreams with their credentials and doors, then each
//! component with what it is granted.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use connector::{
    Auth, Connector, ConnectorConfig, Encoding, HmacAuth, OAuth2, Runtime, Secret, TokenLogin,
    Upstream, UpstreamOptions,
};
use route::{ConnectorTypes, OperationInfo};

use crate::config::{self, Config, ConnectorEntry, SecretSource};
use crate::limits::{Limits, UpstreamDoor};

/// How secrets are had: read for a runtime that will use them, left out for a check.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    Read,
    /// Structure only; `check` needs no secret.
    LeftOut,
}

pub type Upstreams = BTreeMap<String, Arc<Upstream>>;

/// Every `[upstreams.NAME]` with its credentials and its budget's door.
pub fn upstreams(
    config: &Config,
    limits: &Limits,
    secrets: Secrets,
) -> Result<Upstreams, Vec<String>> {
    let mut problems = Vec::new();
    let mut made = BTreeMap::new();
    for (name, entry) in &config.upstreams {
        let auth = match auth(config, entry.auth.as_ref(), secrets) {
            Ok(auth) => auth,
            Err(reason) => {
                problems.push(problem("CD0030", config, &format!("[upstreams.{name}]"), &reason));
                continue;
            }
        };
        let mut options = UpstreamOptions::new(entry.base_url.clone(), auth);
        options.private = entry.private;
        if let Some(path) = &entry.ca {
            match std::fs::read(path) {
                Ok(pem) => options.ca = Some(pem),
                Err(error) => {
                    let reason = format!("`ca` cannot be read: {}: {error}", path.display());
                    problems.push(problem(
                        "CD0033",
                        config,
                        &format!("[upstreams.{name}]"),
                        &reason,
                    ));
                    continue;
                }
            }
        }
        if let Some(timeout) = entry.timeout {
            options.timeout = timeout.0;
        }
        let budget = entry.limit.as_deref().and_then(|limit| limits.get(limit));
        let budget = budget.unwrap_or_else(|| limits.of_upstream(name));
        options.door = Some(Arc::new(UpstreamDoor::new(budget, config.work.limit_patience.0)));
        match Upstream::new(name, options) {
            Ok(upstream) => {
                made.insert(name.clone(), upstream);
            }
            Err(error) => {
                let place = format!("[upstreams.{name}]");
                problems.push(problem("CD0031", config, &place, &error.to_string()));
            }
        }
    }
    if problems.is_empty() { Ok(made) } else { Err(problems) }
}

/// Loads every configured connector; all problems of all connectors.
pub async fn load_all(
    config: &Config,
    runtime: &Runtime,
    upstreams: &Upstreams,
    secrets: Secrets,
    components: &BTreeMap<String, Vec<u8>>,
) -> Result<BTreeMap<String, Arc<Connector>>, Vec<String>> {
    let mut loaded = BTreeMap::new();
    let mut problems = Vec::new();
    for (alias, entry) in &config.connectors {
        let Some(bytes) = components.get(alias) else { continue };
        match load(config, runtime, upstreams, secrets, alias, entry, bytes).await {
            Ok(connector) => {
                loaded.insert(alias.clone(), Arc::new(connector));
            }
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

pub async fn load(
    config: &Config,
    runtime: &Runtime,
    upstreams: &Upstreams,
    secrets: Secrets,
    alias: &str,
    entry: &ConnectorEntry,
    bytes: &[u8],
) -> Result<Connector, Vec<String>> {
    let place = format!("[connectors.{alias}]");
    let mut granted = upstreams.clone();
    for (needed, name) in &entry.upstreams {
        let Some(upstream) = upstreams.get(name) else {
            let help = crate::suggest::help(
                name,
                upstreams.keys().map(String::as_str),
                &format!("add a table [upstreams.{name}]"),
            );
            let reason = format!("upstreams.{needed} names `{name}`, which does not exist; {help}");
            return Err(vec![problem("CD0032", config, &place, &reason)]);
        };
        granted.insert(needed.clone(), upstream.clone());
    }
    let mut keys = BTreeMap::new();
    for (name, source) in &entry.secrets {
        let key = secret(config, source, secrets)
            .map_err(|reason| vec![problem("CD0030", config, &place, &reason)])?;
        keys.insert(name.clone(), key);
    }
    let mut limits = connector::Limits::default();
    if let Some(bytes_max) = entry.memory_max_bytes {
        limits.memory_bytes_max = bytes_max;
    }
    if let Some(cpu) = entry.cpu_max {
        limits.cpu = cpu.0;
    }
    if let Some(requests_max) = entry.requests_max {
        limits.requests_max = requests_max;
    }
    let guest_config = ConnectorConfig {
        config: serde_json::to_value(&entry.config).unwrap_or_default(),
        secrets: keys,
        upstreams: granted,
        limits,
        reuse: entry.reuse,
    };
    runtime.load(alias, bytes, guest_config).await.map_err(|error| {
        error
            .problems
            .iter()
            .map(|found| {
                format!(
                    "error[{}]: {}\n --> {} {place} component = \"{}\"\n  help: {}",
                    found.code,
                    found.what,
                    config.file.display(),
                    entry.component.display(),
                    found.fix
                )
            })
            .collect()
    })
}

fn problem(code: &str, config: &Config, place: &str, reason: &str) -> String {
    format!("error[{code}]: {reason}\n --> {} {place}", config.file.display())
}

fn secret(config: &Config, source: &SecretSource, secrets: Secrets) -> Result<Secret, String> {
    match secrets {
        Secrets::Read => source.read(config.file.parent().unwrap_or(Path::new(""))),
        // Too short to be searched for in texts.
        Secrets::LeftOut => Ok(Secret::new("-")),
    }
}

fn auth(config: &Config, written: Option<&config::Auth>, secrets: Secrets) -> Result<Auth, String> {
    let secret = |source: &SecretSource| secret(config, source, secrets);
    Ok(match written {
        None | Some(config::Auth::None {}) => Auth::None,
        Some(config::Auth::Bearer { token }) => Auth::Bearer { token: secret(token)? },
        Some(config::Auth::Basic { user, password }) => {
            Auth::Basic { username: user.clone(), password: secret(password)? }
        }
        Some(config::Auth::Header { name, value, prefix }) => {
            Auth::Header { name: name.clone(), prefix: prefix.clone(), value: secret(value)? }
        }
        Some(config::Auth::Query { name, value }) => {
            Auth::Query { name: name.clone(), value: secret(value)? }
        }
        Some(config::Auth::Oauth2ClientCredentials {
            token_url,
            client_id,
            client_secret,
            scope,
            fields,
            secret_in_body,
        }) => Auth::OAuth2ClientCredentials(OAuth2 {
            token_url: token_url.clone(),
            client_id: client_id.clone(),
            client_secret: secret(client_secret)?,
            scope: scope.clone(),
            extra: fields.clone(),
            secret_in_body: *secret_in_body,
        }),
        Some(config::Auth::TokenLogin {
            path,
            user_field,
            user,
            password_field,
            password,
            token,
            header,
            prefix,
        }) => Auth::TokenLogin(TokenLogin {
            login_url: path.clone(),
            fields: BTreeMap::from([(user_field.clone(), user.clone())]),
            secrets: BTreeMap::from([(password_field.clone(), secret(password)?)]),
            token: token.clone(),
            expires_in: None,
            lifetime: Duration::from_secs(300),
            header: header.clone(),
            prefix: prefix.clone(),
        }),
        Some(config::Auth::Hmac { header, secret: key, prefix, signs, timestamp_header }) => {
            Auth::Hmac(HmacAuth {
                secret: secret(key)?,
                algorithm: connector::signing::Algorithm::HmacSha256,
                header: header.clone(),
                prefix: prefix.clone(),
                encoding: Encoding::Hex,
                signs: signs.clone(),
                timestamp_header: timestamp_header.clone(),
            })
        }
    })
}

/// What the route checker needs to know of a connector.
pub fn connector_types(connector: &Connector) -> ConnectorTypes {
    let operations = connector
        .description
        .operations
        .iter()
        .filter_map(|described| {
            let (operation, described) = connector.operation(&described.name)?;
            Some(OperationInfo {
                operation: operation.clone(),
                effect: match described.effect {
                    connector::Effect::Query => route::Effect::Query,
                    connector::Effect::Mutation => route::Effect::Mutation,
                },
                key: match described.key {
                    connector::KeyHandling::Honoured { lifetime_s } => {
                        route::Key::Honoured { lifetime_s }
                    }
                    connector::KeyHandling::LookedUp => route::Key::LookedUp,
                    connector::KeyHandling::None => route::Key::None,
                },
                settling_ms: described.settling_ms,
                probe: described.probe.clone(),
                undo: described.undo.clone(),
            })
        })
        .collect();
    ConnectorTypes { operations }
}
