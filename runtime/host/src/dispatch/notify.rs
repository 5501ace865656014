//! Notices become exchanges for the routes that subscribe to them, in the commit of what they tell
//! of. What follows from a notice raises none itself, however far down: an alert never alerts.

use std::collections::BTreeMap;
use std::sync::Arc;

use journal::{Commit, Committed, Record};
use route::Envelope;

use super::{Arrival, Dispatch, publish};
use crate::notice::{self, Notice};
use crate::{clock, trace};

/// How far back a notice is looked for among the causes of an exchange.
const CAUSES_MAX: usize = 64;

impl Dispatch {
    /// The messages for the routes that subscribe to the notice, to be begun in the commit of what it
    /// tells of. Empty for what itself follows from a notice: an alert that fails alerts nobody.
    pub(crate) async fn arrivals_of(
        &self,
        notice: &Notice,
    ) -> Result<Vec<Arrival>, journal::Error> {
        let topic = notice.topic();
        let running = self.running();
        let mut subscribers = running.subscribers(&topic).peekable();
        if subscribers.peek().is_none() {
            return Ok(Vec::new());
        }
        let mut traceparent = None;
        if let Some(exchange) = notice.exchange() {
            let causes = self.journal.causes(exchange.0, CAUSES_MAX).await?;
            if causes.iter().any(|cause| notice::is_notice(&cause.source)) {
                return Ok(Vec::new());
            }
            let caller = causes.first().and_then(|cause| cause.traceparent.as_deref());
            traceparent = Some(trace::parent_of(exchange, caller));
        }
        let body = notice.body().to_string();
        let mut arrivals = Vec::new();
        for version in subscribers {
            match publish::read_message(version, body.as_bytes(), false) {
                Ok(message) => arrivals.push(Arrival {
                    version: version.clone(),
                    envelope: Envelope {
                        message,
                        headers: BTreeMap::new(),
                        source: format!("event:{topic}"),
                        client: None,
                        received_at: clock::now(),
                        traceparent: traceparent.clone(),
                        raw: false,
                        replay: None,
                    },
                    source_key: None,
                    earlier_scope: None,
                    body_digest: None,
                    parent: notice.exchange().map(|exchange| exchange.0),
                    repeats: None,
                }),
                Err(reason) => tracing::error!(
                    route = version.plan.name,
                    topic,
                    reason,
                    "a subscriber cannot read the notice"
                ),
            }
        }
        Ok(arrivals)
    }

    /// Commits the records together with the notices that tell of them.
    pub(crate) async fn commit_telling(
        self: &Arc<Self>,
        mut records: Vec<Record>,
        notices: &[Notice],
    ) -> Result<Committed, journal::Error> {
        let mut children = Vec::new();
        for notice in notices {
            for arrival in self.arrivals_of(notice).await? {
                children.push(self.begin_new(arrival, &mut records));
            }
        }
        if records.is_empty() {
            return Ok(Committed::default());
        }
        let committed = self.commit(Commit::new(records)).await?;
        self.spawn_all(children, &committed);
        Ok(committed)
    }

    /// Tells of something that has no commit of its own. A notice that cannot be stored is logged:
    /// what it tells of has happened all the same.
    pub(crate) async fn notify(self: &Arc<Self>, notice: Notice) {
        if let Err(error) = self.commit_telling(Vec::new(), std::slice::from_ref(&notice)).await {
            tracing::error!(%error, topic = notice.topic(), "a notice could not be stored");
        }
    }
}
