//! Cancelling: what has not started never will, what runs is killed by its worker.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::waiting::Waited;
use super::{Accept, Refusal, Standing};
use crate::entry::Entry;
use crate::execution::{Ending, ErrorCode, Failure, SealedOutcome, State};
use crate::ids::{AccountId, ExecutionId};
use crate::queue::{self, Cancelled, Link, Owner, Watched};
use crate::record::{Ended, Recorded, Requested, WriteError, request_cancel};
use crate::vault::Purpose;

/// How long the answer waits for the worker to have killed what runs.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

/// What asking to cancel came to.
#[derive(Clone, Debug)]
pub enum Cancelling {
    /// The account has no such execution.
    Unknown,
    /// It had ended before, like this.
    Late(State),
    /// It is cancelled, and that is recorded or will be.
    Ended(Standing),
    /// Its worker was told and has not answered yet.
    UnderWay(Standing),
}

impl Accept {
    /// Cancels an execution. Asking again is always safe.
    ///
    /// # Errors
    /// The cancel may be under way.
    pub async fn cancel(&self, account: AccountId, id: ExecutionId) -> Result<Cancelling, Refusal> {
        let outcome = self.cancelled_outcome(account, id).await?;
        let mut waiter = self.0.waiters.register(id);
        let (link, cancelled) = self.ask_to_cancel(account, id, &outcome).await?;
        match cancelled {
            Cancelled::Late(outcome) => Ok(Cancelling::Late(outcome.ending.state.into())),
            Cancelled::Unknown => self.cancel_recorded(account, id).await,
            Cancelled::Done { event, key, body } => {
                let entry = Entry::decode(&body).map_err(Refusal::Body)?;
                let recorded = self.0.outbox.end_now(Ended {
                    id,
                    event,
                    generation: link.generation(),
                    body,
                    key,
                    outcome: outcome.clone(),
                });
                match recorded.await {
                    Some(Recorded::Committed) => Ok(Cancelling::Ended(Standing::Ended {
                        owner: owner_of(&entry),
                        outcome: outcome.into(),
                    })),
                    Some(Recorded::Refused) => Err(Refusal::Recovering),
                    // Cancelled in Redis; its event is swept into the record.
                    Some(Recorded::Unfit) | None => Err(Refusal::RecordAway(Some(id))),
                }
            }
            Cancelled::Asked { body } => {
                let entry = Entry::decode(&body).map_err(Refusal::Body)?;
                if let Some(late) = self.note(link.generation(), id, &entry).await? {
                    return Ok(late);
                }
                // The order was given; wait here for what the worker says. One that was
                // quicker than the note has woken nobody here: look, then wait.
                let owner = owner_of(&entry);
                let watched = self.watch(account, id, Some(self.0.waiters.api())).await?;
                if let Watched::Final { owner, outcome } = watched {
                    let outcome = Arc::new(outcome);
                    return Ok(told(Standing::Ended { owner, outcome }));
                }
                let deadline = Instant::now() + KILLED_WITHIN;
                Ok(match self.wait(&mut waiter, account, deadline).await? {
                    Waited::Ended(outcome) => told(Standing::Ended { owner, outcome }),
                    Waited::Recorded(row) => told(Standing::Recorded(row)),
                    Waited::Gone => Cancelling::Unknown,
                    Waited::Late => Cancelling::UnderWay(Standing::Open {
                        owner,
                        state: State::Running,
                    }),
                })
            }
        }
    }

    /// Asks, once more over a new link: asking twice is safe.
    async fn ask_to_cancel(
        &self,
        account: AccountId,
        id: ExecutionId,
        outcome: &SealedOutcome,
    ) -> Result<(Link, Cancelled), Refusal> {
        let link = self.0.links.link().await?;
        if let Ok(cancelled) = queue::cancel(&link, account, id, outcome).await {
            return Ok((link, cancelled));
        }
        let link = self.0.links.link().await?;
        let cancelled = queue::cancel(&link, account, id, outcome).await?;
        Ok((link, cancelled))
    }

    /// Notes in the row that a cancel was asked for, so that a recovery knows it too.
    async fn note(
        &self,
        generation: u64,
        id: ExecutionId,
        entry: &Entry,
    ) -> Result<Option<Cancelling>, Refusal> {
        let mut client = self.0.database.client().await?;
        match request_cancel(&mut client, generation, id, entry).await {
            Ok(Requested::Noted) => Ok(None),
            Ok(Requested::Late) => {
                let row = self.recorded(entry.account, id).await?;
                Ok(row.map(|row| Cancelling::Late(row.state)))
            }
            Err(WriteError::Refused(_)) => Err(Refusal::Recovering),
            Err(WriteError::Database(error)) => Err(error.into()),
        }
    }

    /// Redis does not know it: PostgreSQL may.
    async fn cancel_recorded(
        &self,
        account: AccountId,
        id: ExecutionId,
    ) -> Result<Cancelling, Refusal> {
        Ok(match self.recorded(account, id).await? {
            None => Cancelling::Unknown,
            Some(row) if row.state.is_final() => Cancelling::Late(row.state),
            // Open in the record and unknown to Redis: a recovery is about to settle it.
            Some(_) => return Err(Refusal::Recovering),
        })
    }

    async fn cancelled_outcome(
        &self,
        account: AccountId,
        id: ExecutionId,
    ) -> Result<SealedOutcome, Refusal> {
        let failure = Failure::new(ErrorCode::Cancelled, "cancelled before it started");
        let text = serde_json::to_vec(&failure).unwrap_or_default();
        let error = self
            .0
            .vault
            .seal(account, Purpose::Error, id.uuid(), &text)
            .await?;
        Ok(SealedOutcome {
            ending: Ending::unrun(ErrorCode::Cancelled, 0, self.0.clock.now()),
            output: None,
            error: Some(error),
            logs: None,
        })
    }
}

/// The truth about an execution that was asked to be cancelled and has ended.
fn told(standing: Standing) -> Cancelling {
    match standing.state() {
        State::Cancelled => Cancelling::Ended(standing),
        other => Cancelling::Late(other),
    }
}

fn owner_of(entry: &Entry) -> Owner {
    Owner {
        account: entry.account,
        namespace: entry.namespace,
        function: entry.function,
        version: entry.version,
    }
}
