//! How an execution stands, and waiting until it ends.
//!
//! Redis is asked first, then PostgreSQL. A partition that is recovering tells
//! nothing: what PostgreSQL knows to be final is told, anything else would be an
//! older state than was shown before.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::waiters::{Shared, Waiter, Woken};
use super::{Accept, Refusal};
use crate::backoff::jittered;
use crate::db::executions::{self, Execution};
use crate::execution::{SealedOutcome, State};
use crate::ids::{AccountId, ExecutionId};
use crate::queue::{Owner, QueueError, Watched, erase, watch};

/// Between two looks of a waiter that was not woken.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Between two looks while the queue is recovering.
const LOOK_RECOVERING: Duration = Duration::from_millis(100);

/// How an execution stands.
#[derive(Clone, Debug)]
pub enum Standing {
    Open {
        owner: Owner,
        state: State,
    },
    Ended {
        owner: Owner,
        outcome: Arc<SealedOutcome>,
    },
    /// Only PostgreSQL knows it.
    Recorded(Box<Execution>),
}

impl Standing {
    #[must_use]
    pub fn state(&self) -> State {
        match self {
            Self::Open { state, .. } => *state,
            Self::Ended { outcome, .. } => outcome.ending.state.into(),
            Self::Recorded(row) => row.state,
        }
    }

    #[must_use]
    pub fn outcome(&self) -> Option<&SealedOutcome> {
        match self {
            Self::Open { .. } => None,
            Self::Ended { outcome, .. } => Some(outcome),
            Self::Recorded(row) => row.outcome.as_ref(),
        }
    }
}

/// What waiting came to.
pub(super) enum Waited {
    Ended(Shared),
    Recorded(Box<Execution>),
    /// The deadline passed, or the process is draining.
    Late,
    /// Neither Redis nor PostgreSQL knows it.
    Gone,
}

impl Accept {
    /// How an execution stands; with a wait, once it has ended or the wait is over.
    /// `None`: the account has no such execution.
    ///
    /// # Errors
    /// Where neither Redis nor PostgreSQL can say.
    pub async fn standing(
        &self,
        account: AccountId,
        id: ExecutionId,
        wait: Option<Duration>,
    ) -> Result<Option<Standing>, Refusal> {
        // Registered before the first look: the end can't fall between the two.
        let mut waiter = wait.map(|_| self.0.waiters.register(id));
        let found = self.look(account, id, waiter.is_some()).await?;
        let (Some(Standing::Open { owner, state }), Some(waiter), Some(wait)) =
            (&found, &mut waiter, wait)
        else {
            return Ok(found);
        };
        let deadline = Instant::now() + wait;
        Ok(match self.wait(waiter, account, deadline).await? {
            Waited::Ended(outcome) => Some(Standing::Ended {
                owner: *owner,
                outcome,
            }),
            Waited::Recorded(row) => Some(Standing::Recorded(row)),
            Waited::Gone => None,
            Waited::Late => match self.look(account, id, false).await {
                Ok(found) => found,
                Err(_) => Some(Standing::Open {
                    owner: *owner,
                    state: *state,
                }),
            },
        })
    }

    /// Waits with a place that was taken before the execution was asked for or looked at.
    pub(super) async fn wait(
        &self,
        waiter: &mut Waiter,
        account: AccountId,
        deadline: Instant,
    ) -> Result<Waited, Refusal> {
        let mut pause = jittered(LOOK_AGAIN);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let woken = tokio::select! {
                woken = waiter.woken(pause.min(left)) => woken,
                () = self.0.draining.cancelled() => return Ok(Waited::Late),
            };
            if let Woken::Ended(outcome) = woken {
                return Ok(Waited::Ended(outcome));
            }
            pause = jittered(LOOK_AGAIN);
            match self.look(account, waiter.id(), true).await {
                Ok(None) => return Ok(Waited::Gone),
                Ok(Some(Standing::Ended { outcome, .. })) => return Ok(Waited::Ended(outcome)),
                Ok(Some(Standing::Recorded(row))) if row.state.is_final() => {
                    return Ok(Waited::Recorded(row));
                }
                Ok(Some(_)) => {}
                // Waits go on through a recovery and an absence of PostgreSQL.
                Err(Refusal::Recovering | Refusal::RecordAway(_)) => pause = LOOK_RECOVERING,
                Err(other) => return Err(other),
            }
            if Instant::now() >= deadline {
                return Ok(Waited::Late);
            }
        }
    }

    /// Asks Redis, then PostgreSQL.
    pub(super) async fn look(
        &self,
        account: AccountId,
        id: ExecutionId,
        join: bool,
    ) -> Result<Option<Standing>, Refusal> {
        let waiter = join.then(|| self.0.waiters.api());
        let watched = self.watch(account, id, waiter).await;
        let refused = match watched {
            Ok(Watched::Final { owner, outcome }) => {
                let outcome = Arc::new(outcome);
                return Ok(Some(Standing::Ended { owner, outcome }));
            }
            Ok(Watched::Open { owner, state, .. }) => {
                return Ok(Some(Standing::Open { owner, state }));
            }
            Ok(Watched::Unknown) => None,
            Err(error) => Some(Refusal::from(error)),
        };
        match (self.recorded(account, id).await, refused) {
            (Ok(None), None) => Ok(None),
            (Ok(Some(row)), None) => Ok(Some(Standing::Recorded(row))),
            (Ok(Some(row)), Some(_)) if row.state.is_final() => Ok(Some(Standing::Recorded(row))),
            (_, Some(refused)) => Err(refused),
            (Err(away), None) => Err(away),
        }
    }

    /// Asks Redis, once more over a new link where the first did nothing.
    pub(super) async fn watch(
        &self,
        account: AccountId,
        id: ExecutionId,
        waiter: Option<&str>,
    ) -> Result<Watched, QueueError> {
        let first = self.0.links.link().await?;
        match watch(&first, account, id, waiter).await {
            Err(_) => {
                let second = self.0.links.link().await?;
                watch(&second, account, id, waiter).await
            }
            watched => watched,
        }
    }

    /// Removes what Redis holds of an execution whose row is erased.
    ///
    /// # Errors
    /// Asking again is safe.
    pub async fn forget(&self, account: AccountId, id: ExecutionId) -> Result<(), Refusal> {
        let link = self.0.links.link().await?;
        erase(&link, account, id).await?;
        Ok(())
    }

    /// PostgreSQL's row.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer.
    pub async fn recorded(
        &self,
        account: AccountId,
        id: ExecutionId,
    ) -> Result<Option<Box<Execution>>, Refusal> {
        let client = self.0.database.client().await?;
        Ok(executions::find(&client, account, id).await?.map(Box::new))
    }
}
