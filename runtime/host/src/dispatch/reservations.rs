//! Calendar quotas in the journal.

use connector::BoxFuture;
use journal::{Journal, Record};

use crate::limits::Reservations;

pub(super) struct InJournal(pub Journal);

impl Reservations for InJournal {
    fn reserved<'a>(
        &'a self,
        limit: &'a str,
        period: &'a str,
    ) -> BoxFuture<'a, Result<u64, String>> {
        Box::pin(
            async move { self.0.quota(limit, period).await.map_err(|error| error.to_string()) },
        )
    }

    fn reserve<'a>(
        &'a self,
        limit: &'a str,
        period: &'a str,
        count: i64,
    ) -> BoxFuture<'a, Result<(), String>> {
        let (budget, period) = (limit.to_owned(), period.to_owned());
        Box::pin(async move {
            let record = Record::Quota { budget, period, count };
            self.0.commit(record.into()).await.map(drop).map_err(|error| error.to_string())
        })
    }
}
