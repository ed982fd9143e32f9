//! Accepting an execution whose caller waits for its end.

use std::time::Duration;

use tokio::time::Instant;

use super::background::Durable;
use super::decide::Decided;
use super::waiters::Waiter;
use super::waiting::Waited;
use super::{Accept, Answered, Ask, Refusal, Standing};
use crate::execution::Lane;
use crate::ids::{AccountId, ExecutionId};
use crate::metrics::ApiMetrics;
use crate::record;

impl Accept {
    /// Accepts and waits until it has ended, or `wait` is over and its row committed.
    ///
    /// # Errors
    /// Why not. See the module's header for what may have happened all the same.
    pub async fn interactive(&self, ask: &Ask<'_>, wait: Duration) -> Result<Answered, Refusal> {
        let id = ExecutionId::new(self.0.clock.as_ref());
        self.interactive_as(id, ask, wait).await
    }

    /// The same under a fresh id that the caller chose: for one who may leave
    /// before the answer, and takes the execution along.
    ///
    /// # Errors
    /// As above.
    pub async fn interactive_as(
        &self,
        id: ExecutionId,
        ask: &Ask<'_>,
        wait: Duration,
    ) -> Result<Answered, Refusal> {
        let deadline = Instant::now() + wait;
        let _counted = Counted::new(&self.0.metrics);
        // Before the queue is asked: the end can't fall before the place was taken.
        let mut waiter = self.0.waiters.register(id);
        match self.decide(ask, id, Lane::Interactive).await? {
            Decided::New {
                entry,
                key,
                generation,
            } => {
                let durable = Durable {
                    entry,
                    key,
                    generation,
                };
                let account = ask.payer.account;
                self.until_ended(&mut waiter, (account, id), durable, deadline)
                    .await
            }
            Decided::Known(known) => self.join_and_wait(ask, known, deadline).await,
        }
    }

    async fn until_ended(
        &self,
        waiter: &mut Waiter,
        (account, id): (AccountId, ExecutionId),
        durable: Durable,
        deadline: Instant,
    ) -> Result<Answered, Refusal> {
        match self.wait(waiter, account, deadline).await? {
            Waited::Ended(outcome) => return Ok(Answered::Finished(id, outcome)),
            Waited::Recorded(row) => return Ok(Answered::Joined(id, Standing::Recorded(row))),
            Waited::Gone => return Err(Refusal::Reset),
            Waited::Late => {}
        }
        let accept = record::Accept {
            id,
            generation: durable.generation,
            entry: durable.entry,
            key: durable.key,
        };
        let refused = match self.permit(Some(id)) {
            Err(refused) => refused,
            Ok(permit) => match self.commit(permit, accept).await {
                Err(refused @ Refusal::RecordAway(_)) => refused,
                answered => return answered,
            },
        };
        // Draining, and PostgreSQL away: nobody else can tell this caller.
        if Instant::now() < deadline
            && let Ok(outcome) = tokio::time::timeout_at(deadline, waiter.ended()).await
        {
            return Ok(Answered::Finished(id, outcome));
        }
        Err(refused)
    }

    async fn join_and_wait(
        &self,
        ask: &Ask<'_>,
        id: ExecutionId,
        deadline: Instant,
    ) -> Result<Answered, Refusal> {
        let account = ask.payer.account;
        let left = deadline.saturating_duration_since(Instant::now());
        let standing = self.standing(account, id, Some(left)).await?;
        match standing {
            Some(ended) if ended.state().is_final() => Ok(Answered::Joined(id, ended)),
            Some(_) => {
                let permit = self.permit(Some(id))?;
                self.join(permit, ask, id).await
            }
            None => Err(Refusal::Reset),
        }
    }
}

/// One request in the gauge of those that wait.
struct Counted<'a>(&'a ApiMetrics);

impl<'a> Counted<'a> {
    fn new(metrics: &'a ApiMetrics) -> Self {
        metrics.waiting.inc();
        Self(metrics)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.waiting.dec();
    }
}
