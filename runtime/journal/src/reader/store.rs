//! What is looked up by its name: artifacts, route versions, cursors, connector state, keys.

use rusqlite::{OptionalExtension as _, params};

use super::Reader;
use super::exchange::unsigned;
use crate::record::SourceKey;
use crate::{Digest, Error};

#[derive(Clone, Debug)]
pub struct Artifact {
    pub digest: Digest,
    pub kind: String,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteVersion {
    pub digest: Digest,
    pub name: String,
    pub artifact: Digest,
}

/// The exchange that holds a source key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSource {
    pub exchange: u64,
    pub body_digest: Option<Digest>,
}

/// Who holds a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    pub exchange: u64,
    pub path: String,
    /// The answer as JSON, once it is done.
    pub value: Option<String>,
    /// The exchange has not ended.
    pub open: bool,
}

impl Reader {
    pub async fn claim(&self, scope: &str, key: &str) -> Result<Option<Claimed>, Error> {
        let names = [scope.to_owned(), key.to_owned()];
        self.run(move |from| {
            let sql = "SELECT c.exchange, c.path, c.value, o.exchange IS NOT NULL FROM claim c
                 LEFT JOIN open o ON o.exchange = c.exchange WHERE c.scope = ?1 AND c.key = ?2";
            from.prepare_cached(sql)?
                .query_row(names, |row| {
                    Ok(Claimed {
                        exchange: unsigned(row, 0)?,
                        path: row.get(1)?,
                        value: row.get(2)?,
                        open: row.get(3)?,
                    })
                })
                .optional()
        })
        .await
    }

    pub async fn artifact(&self, digest: Digest) -> Result<Option<Artifact>, Error> {
        self.run(move |from| {
            from.prepare_cached("SELECT kind, bytes FROM artifact WHERE digest = ?1")?
                .query_row([digest.0], |row| {
                    Ok(Artifact { digest, kind: row.get(0)?, bytes: row.get(1)? })
                })
                .optional()
        })
        .await
    }

    pub async fn route_version(&self, digest: Digest) -> Result<Option<RouteVersion>, Error> {
        self.run(move |from| {
            from.prepare_cached("SELECT name, artifact FROM route_version WHERE digest = ?1")?
                .query_row([digest.0], |row| {
                    Ok(RouteVersion { digest, name: row.get(0)?, artifact: Digest(row.get(1)?) })
                })
                .optional()
        })
        .await
    }

    /// Route versions that an exchange which has not ended still runs on.
    pub async fn route_versions_in_use(&self) -> Result<Vec<RouteVersion>, Error> {
        self.run(|from| {
            let mut used = from.prepare_cached(
                "SELECT v.digest, v.name, v.artifact FROM route_version v WHERE v.id IN
                    (SELECT e.route_version FROM open o JOIN exchange e ON e.id = o.exchange)
                 ORDER BY v.id",
            )?;
            let found = used.query_map([], |row| {
                Ok(RouteVersion {
                    digest: Digest(row.get(0)?),
                    name: row.get(1)?,
                    artifact: Digest(row.get(2)?),
                })
            })?;
            found.collect()
        })
        .await
    }

    pub async fn cursor(&self, source: &str) -> Result<Option<String>, Error> {
        let source = source.to_owned();
        self.run(move |from| {
            from.prepare_cached("SELECT value FROM cursor WHERE source = ?1")?
                .query_row([source], |row| row.get(0))
                .optional()
        })
        .await
    }

    /// What of a budget's calendar quota was reserved in that period.
    pub async fn quota(&self, budget: &str, period: &str) -> Result<u64, Error> {
        let (budget, period) = (budget.to_owned(), period.to_owned());
        self.run(move |from| {
            from.prepare_cached("SELECT reserved FROM quota WHERE budget = ?1 AND period = ?2")?
                .query_row([budget, period], |row| unsigned(row, 0))
                .optional()
                .map(Option::unwrap_or_default)
        })
        .await
    }

    pub async fn state_get(&self, connector: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let (connector, key) = (connector.to_owned(), key.to_owned());
        self.run(move |from| {
            from.prepare_cached("SELECT value FROM state WHERE connector = ?1 AND key = ?2")?
                .query_row([connector, key], |row| row.get(0))
                .optional()
        })
        .await
    }

    pub async fn known_source(&self, source: SourceKey) -> Result<Option<KnownSource>, Error> {
        self.run(move |from| {
            let mut known = from.prepare_cached(
                "SELECT k.exchange, coalesce(e.body_digest, k.body_digest) FROM source_key k
                 LEFT JOIN exchange e ON e.id = k.exchange WHERE k.scope = ?1 AND k.key = ?2",
            )?;
            known
                .query_row(params![source.scope, source.key], |row| {
                    let body_digest = row.get::<_, Option<[u8; 32]>>(1)?.map(Digest);
                    Ok(KnownSource { exchange: unsigned(row, 0)?, body_digest })
                })
                .optional()
        })
        .await
    }
}
