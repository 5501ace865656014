//! A caller that waits for the result of a step: told when the step is done and on disk, or when the
//! exchange comes to rest without it.

use contract::Value;
use route::ExchangeId;
use tokio::sync::oneshot;

use super::Dispatch;
use super::run::Drive;

/// Where the result of a step is awaited.
pub struct ReplyTo {
    pub step: usize,
    pub sender: oneshot::Sender<Reply>,
}

#[derive(Debug)]
pub enum Reply {
    /// The step's result.
    Result(ExchangeId, Value),
    /// The exchange ended before the step: a named business outcome.
    Ended(ExchangeId, route::End),
    /// It waits or needs a person; the result comes later, or never.
    Pending(ExchangeId),
}

impl Dispatch {
    /// Nobody waits for the result any more.
    pub fn forget_reply(&self, id: ExchangeId) {
        self.replies.remove(&id.0);
    }

    /// Answers a waiting caller once the step has its result and the result is on disk.
    pub(super) async fn reply_if_ready(
        self: &std::sync::Arc<Self>,
        drive: &mut Drive,
    ) -> Result<(), super::run::Lost> {
        let id = drive.exchange().id();
        let Some(step) = self.replies.get(&id.0).map(|reply| reply.step) else { return Ok(()) };
        let Some(value) = drive.exchange().result_of(step).cloned() else { return Ok(()) };
        // Order matters: nobody hears of a result that a crash could take back.
        self.flush(drive, Vec::new()).await?;
        if let Some((_, reply)) = self.replies.remove(&id.0) {
            let _ = reply.sender.send(Reply::Result(id, value));
        }
        Ok(())
    }

    /// Answers a waiting caller of an exchange that rests without a result.
    pub(super) fn reply_at_rest(&self, drive: &Drive) {
        let exchange = drive.exchange();
        if let Some((_, reply)) = self.replies.remove(&exchange.id().0) {
            let answer = match exchange.end() {
                Some(end) => Reply::Ended(exchange.id(), end.clone()),
                None => Reply::Pending(exchange.id()),
            };
            let _ = reply.sender.send(answer);
        }
    }

    /// Answers a waiting caller of an exchange that is not driven now.
    pub(super) fn reply_later(&self, id: ExchangeId) {
        if let Some((_, reply)) = self.replies.remove(&id.0) {
            let _ = reply.sender.send(Reply::Pending(id));
        }
    }
}
