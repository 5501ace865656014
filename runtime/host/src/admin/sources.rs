//! `GET /v1/sources`: of every route's source, when it last brought a message, and of polls and
//! schedules whether they lag.

use http::StatusCode;
use journal::ExchangeFilter;
use route::{Plan, Source};
use serde_json::{Value, json};

use super::show::{source, time};
use super::{Admin, unreadable};
use crate::clock;
use crate::ingress::problem::{Answer, Problem, json_answer};
use crate::pause::Kind;

impl Admin {
    pub(super) async fn sources(&self) -> Result<Answer, Problem> {
        let mut sources: Vec<Value> = Vec::new();
        for version in &self.dispatch.running().routes {
            sources.push(self.source(&version.plan).await?);
        }
        Ok(json_answer(StatusCode::OK, &json!({ "sources": sources })))
    }

    /// Seconds by route, of polls and schedules.
    pub(super) fn lags(&self) -> Vec<(String, u64)> {
        let now_ms = clock::now_ms();
        let running = self.dispatch.running();
        let lags = running.routes.iter().filter_map(|version| {
            let route = &version.plan.name;
            Some((route.clone(), self.dispatch.sources().heard(route).lag_ms(now_ms)? / 1000))
        });
        lags.collect()
    }

    async fn source(&self, plan: &Plan) -> Result<Value, Problem> {
        let heard = self.dispatch.sources().heard(&plan.name);
        let message_ms = match heard.message_ms {
            Some(at_ms) => Some(at_ms),
            None => self.last_in_journal(&plan.name).await?,
        };
        let lag_ms = heard.lag_ms(clock::now_ms());
        let late_after = match &plan.source {
            Source::Poll(poll) => Some(self.dispatch.late_after(poll)),
            _ => None,
        };
        let late = late_after.zip(lag_ms).map(|(after, lag)| u128::from(lag) >= after.as_millis());
        // A schedule's message is its success.
        let success_ms = match &plan.source {
            Source::Schedule(_) => heard.success_ms.or(message_ms),
            _ => heard.success_ms,
        };
        Ok(json!({
            "route": plan.name,
            "source": source(&plan.source),
            "last_message": message_ms.map(time),
            "last_success": success_ms.map(time),
            "next": heard.due_ms.map(time),
            "lag_s": lag_ms.map(|lag| lag / 1000),
            "late": late,
            "late_after_s": late_after.map(|after| after.as_secs_f64()),
            "paused": self.dispatch.pauses().on(Kind::Route, &plan.name).is_some(),
        }))
    }

    /// The newest of the route, as far back as one page of the journal goes.
    async fn last_in_journal(&self, route: &str) -> Result<Option<u64>, Problem> {
        let filter =
            ExchangeFilter { route: Some(route.to_owned()), limit: 1, ..ExchangeFilter::default() };
        let page = self.dispatch.journal.exchanges(filter).await;
        let page = page.map_err(|error| unreadable(&error))?;
        Ok(page.exchanges.first().map(|found| found.received_at_ms))
    }
}
