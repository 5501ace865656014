//! Connectors' own small state, kept in the journal.

use connector::{BoxFuture, StateStore};
use journal::{Journal, Record};

pub struct ConnectorState {
    journal: Journal,
}

impl ConnectorState {
    pub fn new(journal: Journal) -> ConnectorState {
        ConnectorState { journal }
    }
}

impl StateStore for ConnectorState {
    fn get<'a>(
        &'a self,
        connector: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, String>> {
        Box::pin(async move {
            self.journal.state_get(connector, key).await.map_err(|error| unavailable(&error))
        })
    }

    fn set<'a>(
        &'a self,
        connector: &'a str,
        key: &'a str,
        value: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let record =
                Record::State { connector: connector.to_owned(), key: key.to_owned(), value };
            self.journal.commit(record.into()).await.map(drop).map_err(|error| unavailable(&error))
        })
    }
}

/// The log has the reason; the guest learns no more than this.
fn unavailable(error: &journal::Error) -> String {
    tracing::error!(%error, "a connector's state could not be kept");
    "state is not available now".to_owned()
}

/// State for commands that journal nothing: empty, and forgets.
pub struct NoState;

impl StateStore for NoState {
    fn get<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, String>> {
        Box::pin(async { Ok(None) })
    }

    fn set<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}
