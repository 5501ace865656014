//! The runtime as a whole: opened in the order of its dependencies, run until a signal, and closed in
//! the opposite order with nothing lost.

use std::path::Path;
use std::sync::Arc;

use journal::Journal;
use tokio::sync::watch;

use crate::admin::Admin;
use crate::cli::Failure;
use crate::config::{Config, Tls, WebhookEntry, WebhookVerify};
use crate::dispatch::{Dispatch, Options};
use crate::ingress::Ingress;
use crate::ingress::access::{self, Access, AccessError};
use crate::ingress::serve::{Door, listen, serve};
use crate::ingress::signature::{Scheme, Verifier};
use crate::ingress::signed::Signed;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::retention;
use crate::running::{self, Secrets, Versions};
use crate::state::ConnectorState;
use crate::tls;

/// How old the timestamp of a signed webhook may be, unless configured.
const WEBHOOK_TOLERANCE: std::time::Duration = std::time::Duration::from_secs(300);

/// Runs until Ctrl-C or SIGTERM, or until the journal fails.
pub async fn run(config: Config) -> Result<(), Failure> {
    let config = Arc::new(config);
    // Ports first: a second runtime on the same configuration stops here, before it touches files.
    let http = listen(config.listen.http, "messages").await.map_err(Failure::surroundings)?;
    let admin_listener =
        listen(config.listen.admin, "admin API").await.map_err(Failure::surroundings)?;
    let admin_token = admin_token(&config)?;
    let access = Access::new(&config).map_err(|error| match error {
        AccessError::Wrong(text) => Failure::files(text),
        AccessError::Secret(text) => Failure::surroundings(text),
    })?;
    let listen_keys = &config.listen;
    let acceptor = |table: &str, tls: Option<&Tls>| {
        tls.map(|tls| tls::acceptor(tls, table, &config)).transpose()
    };
    let http_tls = acceptor("tls", listen_keys.tls.as_ref())?;
    let admin_tls = match &listen_keys.admin_tls {
        Some(tls) => acceptor("admin_tls", Some(tls))?,
        None => http_tls.clone(),
    };
    let journal = open_journal(&config.data)?;
    let limits = Arc::new(Limits::build(&config.limits));
    let upstreams =
        running::upstreams(&config, &limits, Secrets::Read).map_err(|problems| of(&problems))?;
    let verifiers = verifiers(&config)?;
    let options = connector::Options {
        cache_dir: Some(config.data.join("compiled")),
        ..connector::Options::default()
    };
    let state = Arc::new(ConnectorState::new(journal.clone()));
    let runtime = Arc::new(connector::Runtime::new(options, state).map_err(Failure::surroundings)?);
    let loaded = running::load(&config, &runtime, &upstreams, Secrets::Read)
        .await
        .map_err(Failure::files)?;
    let problems = access::check(&config, &loaded.set);
    if !problems.is_empty() {
        return Err(Failure::files(problems.join("\n\n")));
    }
    for warning in &loaded.warnings {
        eprintln!("{warning}\n");
    }
    let options = options_of(&config, &loaded.set);
    let versions = Versions::new(config.clone(), runtime.clone(), upstreams, journal.clone());
    let dispatch = Dispatch::new(
        journal.clone(),
        Arc::new(loaded.set),
        versions,
        limits,
        Arc::new(Metrics::default()),
        options,
    );
    let (stop, stopping) = watch::channel(false);
    dispatch.start().await.map_err(Failure::surroundings)?;
    let ingress = Ingress::new(dispatch.clone(), verifiers, access, config.listen.clone());
    ingress.start_sources(&stopping);
    let sweep = retention::run(dispatch.clone(), config.retention.clone(), stopping.clone());
    let sweep = tokio::spawn(sweep);
    let addresses = (http.local_addr(), admin_listener.local_addr());
    let schemes = [&http_tls, &admin_tls].map(|tls| if tls.is_some() { "https" } else { "http" });
    let messages = tokio::spawn(serve(
        Door::new(http, http_tls, &config.listen),
        stopping.clone(),
        Arc::new(move |request, peer| ingress.clone().handle(request, peer)),
    ));
    let admin = Admin::new(dispatch.clone(), runtime, admin_token);
    let ready = admin.ready();
    let admin_server = tokio::spawn(serve(
        Door::new(admin_listener, admin_tls, &config.listen),
        stopping,
        Arc::new(move |request, peer| admin.clone().handle(request, peer)),
    ));
    if let (Ok(http), Ok(admin)) = addresses {
        let environment = &config.environment;
        tracing::info!(environment, %http, %admin, routes = dispatch.running().routes.len(), "running");
        let [messages_by, admin_by] = schemes;
        println!(
            "crossdock is running: messages at {messages_by}://{http}, admin at {admin_by}://{admin}"
        );
    }
    ready.send_replace(true);

    let failed = until_told(dispatch.fatal()).await;
    ready.send_replace(false);
    tracing::info!("stopping: no new messages, steps under way finish");
    let drained = dispatch.drain(config.work.drain.0).await;
    stop.send_replace(true);
    let _ = tokio::time::timeout(config.work.drain.0, async {
        let _ = messages.await;
        let _ = admin_server.await;
        let _ = sweep.await;
    })
    .await;
    if !drained {
        tracing::warn!("some calls did not end in time; they are taken up again at the next start");
    }
    match failed {
        Some(reason) => Err(Failure::surroundings(reason)),
        None => Ok(()),
    }
}

/// Waits for a signal, or for the journal's failure and its reason.
async fn until_told(mut fatal: watch::Receiver<Option<String>>) -> Option<String> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).ok();
    let terminated = async {
        match &mut terminate {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => None,
        () = terminated => None,
        failed = fatal.wait_for(Option::is_some) => failed.ok().and_then(|reason| reason.clone()),
    }
}

/// A secret that is not set is the surroundings' fault, all else the file's.
fn of(problems: &[String]) -> Failure {
    let text = problems.join("\n\n");
    match problems.iter().all(|problem| problem.starts_with("error[CD0030]")) {
        true => Failure::surroundings(text),
        false => Failure::files(text),
    }
}

pub fn open_journal(data: &Path) -> Result<Journal, Failure> {
    std::fs::create_dir_all(data).map_err(|error| {
        Failure::surroundings(format!(
            "the folder {} cannot be made: {error}\n  help: correct `data` in the configuration, or the permissions of its parent",
            data.display()
        ))
    })?;
    let options = crate::failpoint::journal_options().map_err(Failure::surroundings)?;
    Journal::open(&data.join("journal.db"), options)
        .map_err(|error| Failure::surroundings(format!("error[{}]: {error}", error.code())))
}

fn admin_token(config: &Config) -> Result<Option<connector::Secret>, Failure> {
    let folder = config.file.parent().unwrap_or(Path::new(""));
    match &config.listen.admin_token {
        Some(source) => source.read(folder).map(Some).map_err(Failure::surroundings),
        None if config.listen.admin.ip().is_loopback() => Ok(None),
        None => Err(Failure::files(format!(
            "error[CD0015]: the admin API would listen on {} without a token\n --> {} [listen]\n  help: set admin_token = {{ env = \"NAME\" }}, or listen on 127.0.0.1",
            config.listen.admin,
            config.file.display()
        ))),
    }
}

fn verifiers(config: &Config) -> Result<std::collections::BTreeMap<String, Verifier>, Failure> {
    let folder = config.file.parent().unwrap_or(Path::new(""));
    let mut verifiers = std::collections::BTreeMap::new();
    for (alias, entry) in &config.connectors {
        let Some(webhook) = &entry.webhook else { continue };
        let place = format!(" --> {} [connectors.{alias}.webhook]", config.file.display());
        if webhook.secret.is_empty() && webhook.verify != WebhookVerify::None {
            return Err(Failure::files(format!(
                "error[CD0016]: a webhook is verified with a secret, and there is none\n{place}\n  help: set secret = {{ env = \"NAME\" }}"
            )));
        }
        let secrets = webhook
            .secret
            .read(folder)
            .map_err(|reason| Failure::surroundings(format!("error[CD0030]: {reason}\n{place}")))?;
        let verifier = verifier(webhook, secrets)
            .map_err(|reason| Failure::files(format!("error[CD0029]: {reason}\n{place}")))?;
        verifiers.insert(alias.clone(), verifier);
    }
    Ok(verifiers)
}

fn verifier(webhook: &WebhookEntry, secrets: Vec<connector::Secret>) -> Result<Verifier, String> {
    let tolerance = webhook.tolerance.map_or(WEBHOOK_TOLERANCE, |span| span.0);
    Ok(match webhook.verify {
        WebhookVerify::Stripe => Verifier::Stripe { secrets, tolerance },
        WebhookVerify::Shopify => Verifier::Shopify { secrets },
        WebhookVerify::None => Verifier::None,
        WebhookVerify::Token => {
            let header = webhook.header.as_deref().ok_or("`token` needs `header`: its name")?;
            Verifier::Token { secrets, header: header_name(header)? }
        }
        WebhookVerify::HmacSha256 => {
            let timestamp_header = webhook.timestamp_header.as_deref();
            let signs = webhook.signs.as_deref().unwrap_or(match timestamp_header {
                Some(_) => "{timestamp}.{body}",
                None => "{body}",
            });
            let signed = Signed::parse(signs, timestamp_header, tolerance)
                .map_err(|reason| format!("`signs` {reason}"))?;
            let header = header_name(webhook.header.as_deref().unwrap_or("x-signature"))?;
            Verifier::Hmac(Scheme { secrets, header, signed })
        }
    })
}

fn header_name(name: &str) -> Result<http::HeaderName, String> {
    name.to_ascii_lowercase().parse().map_err(|_| format!("`{name}` is no header"))
}

fn options_of(config: &Config, set: &running::RunningSet) -> Options {
    Options {
        concurrency: config.work.concurrency,
        backlog_max: config.work.backlog_max,
        limit_patience: config.work.limit_patience.0,
        late_after: config.work.late_after.0,
        connector_limits: config
            .connectors
            .iter()
            .filter_map(|(alias, entry)| Some((alias.clone(), entry.limit.clone()?)))
            .collect(),
        breakers: config
            .connectors
            .iter()
            .filter_map(|(alias, entry)| Some((alias.clone(), entry.breaker.0?)))
            .collect(),
        upstream_limits: set
            .connectors
            .keys()
            .map(|alias| (alias.clone(), limits_behind(config, set, alias)))
            .collect(),
        mask: crate::mask::Mask::new(&config.mask),
        maintenance: config.maintenance.clone(),
    }
}

/// The budgets that requests of a connector's calls go through.
fn limits_behind(config: &Config, set: &running::RunningSet, alias: &str) -> Vec<String> {
    let (Some(connector), Some(entry)) = (set.connectors.get(alias), config.connectors.get(alias))
    else {
        return Vec::new();
    };
    let needs = connector.description.upstreams.iter();
    needs
        .filter_map(|need| {
            let name = entry.upstreams.get(&need.name).unwrap_or(&need.name);
            config.upstreams.get(name)?.limit.clone()
        })
        .collect()
}
