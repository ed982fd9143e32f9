//! Following what an execution prints, until it has ended.
//!
//! Listen first, then look: a place among the waiters and one among the followers are
//! taken before the first look. While the execution is open its log is read from Redis,
//! whenever it has more; at the end the rest comes from the outcome, which has all of it.
//! So a log that Redis lost, or held back for its bound, makes text late, never wrong.

use super::followers::{Crowded, Place as Seat};
use super::waiters::{Waiter, Woken};
use super::waiting::LOOK_AGAIN;
use super::{Accept, Refusal, Standing};
use crate::backoff::jittered;
use crate::execution::{Logs, SealedOutcome, State};
use crate::ids::{AccountId, ExecutionId};
use crate::limits::LIVE_READ_BYTES;
use crate::live_log::{Batch, Following, Place, Told};
use crate::queue::{LogRead, More};
use crate::telemetry;
use crate::vault::Purpose;

/// One who follows; leaving is dropping it.
#[derive(Debug)]
pub struct Follower {
    accept: Accept,
    account: AccountId,
    id: ExecutionId,
    waiter: Waiter,
    seat: Seat,
    following: Following,
    read: LogRead,
    looked: bool,
}

/// What a follower is told.
#[derive(Debug)]
pub enum Heard {
    /// Never empty.
    Told(Vec<Told>),
    /// The rest, and how the execution ended.
    Ended {
        rest: Vec<Told>,
        state: State,
        truncated: bool,
    },
    /// Nobody knows it any more, or this process is stopping.
    Over,
}

/// What a look at the log came to.
enum Looked {
    Told(Vec<Told>),
    /// Nothing new, and there may be more at once.
    Old,
    /// There is no more, or it can't be read now.
    Nothing,
}

impl Drop for Follower {
    fn drop(&mut self) {
        // The seat itself is free a moment later.
        self.accept.show_followers(-1);
    }
}

impl Accept {
    /// Takes a place; the caller knows that the execution is this account's.
    ///
    /// # Errors
    /// Where there are too many.
    pub fn follow(
        &self,
        account: AccountId,
        id: ExecutionId,
        after: Option<Place>,
    ) -> Result<Follower, Crowded> {
        let seat = self.0.waiters.followers().join(account, id)?;
        self.show_followers(1);
        Ok(Follower {
            accept: self.clone(),
            account,
            id,
            waiter: self.0.waiters.register(id),
            seat,
            following: Following::after(after),
            read: LogRead::default(),
            looked: false,
        })
    }

    fn show_followers(&self, more: i64) {
        self.0.metrics.log_followers.add(more);
    }
}

impl Follower {
    /// What is new. Nothing comes after `Ended` and `Over`.
    ///
    /// # Errors
    /// Where neither Redis nor PostgreSQL can say how it stands, or nobody can open what it said.
    pub async fn next(&mut self) -> Result<Heard, Refusal> {
        if !self.looked {
            self.looked = true;
            if let Some(over) = self.look().await? {
                return Ok(over);
            }
        }
        loop {
            self.seat.reads();
            match self.read().await {
                Looked::Told(told) => return Ok(Heard::Told(told)),
                Looked::Old => {}
                Looked::Nothing => {
                    if let Some(over) = self.wait().await? {
                        return Ok(over);
                    }
                }
            }
        }
    }

    /// Waits for text, or the end; looks for itself now and then.
    async fn wait(&mut self) -> Result<Option<Heard>, Refusal> {
        let accept = self.accept.clone();
        let woken = tokio::select! {
            woken = self.waiter.woken(jittered(LOOK_AGAIN)) => woken,
            () = self.seat.printed() => return Ok(None),
            () = accept.0.draining.cancelled() => return Ok(Some(Heard::Over)),
        };
        match woken {
            Woken::Ended(outcome) => self.ended(&outcome).await.map(Some),
            Woken::Look => self.look().await,
        }
    }

    async fn look(&mut self) -> Result<Option<Heard>, Refusal> {
        match self.accept.look(self.account, self.id, true).await {
            Ok(None) => Ok(Some(Heard::Over)),
            Ok(Some(Standing::Open { .. })) => Ok(None),
            Ok(Some(Standing::Ended { outcome, .. })) => self.ended(&outcome).await.map(Some),
            Ok(Some(Standing::Recorded(row))) => match row.outcome {
                Some(outcome) => self.ended(&outcome).await.map(Some),
                None => Ok(None),
            },
            // Followers go on through a recovery and an absence of PostgreSQL.
            Err(Refusal::Recovering | Refusal::RecordAway(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    async fn ended(&mut self, outcome: &SealedOutcome) -> Result<Heard, Refusal> {
        let logs = match &outcome.logs {
            None => Logs::default(),
            Some(sealed) => {
                let vault = &self.accept.0.vault;
                let opened = vault.open(self.account, Purpose::Logs, self.id.uuid(), sealed);
                serde_json::from_slice(&opened.await?).unwrap_or_else(|_| {
                    tracing::error!(execution.id = %self.id, "a stored log is no JSON");
                    Logs::default()
                })
            }
        };
        Ok(Heard::Ended {
            rest: self.following.rest(&logs, &outcome.ending),
            state: outcome.ending.state.into(),
            truncated: logs.truncated,
        })
    }

    async fn read(&mut self) -> Looked {
        let Ok(link) = self.accept.0.links.link().await else {
            return Looked::Nothing;
        };
        let whose = (self.account, self.id);
        let api = self.accept.0.waiters.api();
        let texts = match self.read.more(&link, whose, api, LIVE_READ_BYTES).await {
            Ok(More::Texts(texts)) => texts,
            Ok(More::Closed) | Err(_) => return Looked::Nothing,
        };
        if texts.is_empty() {
            return Looked::Nothing;
        }
        let mut told = Vec::new();
        for sealed in texts {
            match self.open(&sealed).await {
                Ok(batch) => told.extend(self.following.batch(batch)),
                // Those after it are after a gap.
                Err(error) => {
                    tracing::debug!(error, "text of a log is left to its end");
                }
            }
        }
        if told.is_empty() {
            Looked::Old
        } else {
            Looked::Told(told)
        }
    }

    async fn open(&self, sealed: &[u8]) -> Result<Batch, String> {
        let vault = &self.accept.0.vault;
        let opened = vault
            .open(self.account, Purpose::LiveLog, self.id.uuid(), sealed)
            .await
            .map_err(|error| telemetry::chain(&error))?;
        Batch::decode(&opened).map_err(|error| telemetry::chain(&error))
    }
}
