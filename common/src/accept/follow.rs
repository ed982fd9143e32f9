//! Following what an execution prints, until it has ended.
//!
//! Listen first, then look: a place among the waiters and one among the followers are
//! taken before the first look. While the execution is open its log is read from Redis,
//! whenever it has more, though not more often than [`FOLLOW_EVERY`]; at the end the rest
//! comes from the outcome, which has all of it. So a log that Redis lost, or held back for
//! its bound, makes text late, never wrong.

use tokio::time::Instant;

use super::followers::{Crowded, Place as Seat};
use super::waiters::{Waiter, Woken};
use super::waiting::LOOK_AGAIN;
use super::{Accept, Refusal, Standing};
use crate::backoff::jittered;
use crate::execution::{Logs, SealedOutcome, State};
use crate::ids::{AccountId, ExecutionId};
use crate::limits::{FOLLOW_EVERY, LIVE_READ_BYTES};
use crate::live_log::{Batch, Following, Place, Told};
use crate::plan::Plan;
use crate::queue::{LogRead, More};
use crate::telemetry;
use crate::vault::{Purpose, VaultError};

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
    /// Before this it doesn't read again.
    next_read: Instant,
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
    /// The execution has ended, or Redis doesn't know it.
    Closed,
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
        (account, plan): (AccountId, Plan),
        id: ExecutionId,
        after: Option<Place>,
    ) -> Result<Follower, Crowded> {
        let most = self.0.plans.of(plan).followers();
        let seat = self.0.waiters.followers().join((account, most), id)?;
        self.show_followers(1);
        Ok(Follower {
            accept: self.clone(),
            account,
            id,
            waiter: self.0.waiters.register(id),
            seat,
            following: Following::after(after),
            read: LogRead::default(),
            next_read: Instant::now(),
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
            if let Some(over) = self.pause().await? {
                return Ok(over);
            }
            self.next_read = Instant::now() + FOLLOW_EVERY;
            self.seat.reads();
            let over = match self.read().await {
                Looked::Told(told) => return Ok(Heard::Told(told)),
                Looked::Old => None,
                Looked::Nothing => self.wait().await?,
                Looked::Closed => match self.look().await? {
                    None => self.wait().await?,
                    over => over,
                },
            };
            if let Some(over) = over {
                return Ok(over);
            }
        }
    }

    /// Until the next read. The end doesn't wait for that.
    async fn pause(&mut self) -> Result<Option<Heard>, Refusal> {
        let accept = self.accept.clone();
        let outcome = tokio::select! {
            biased;
            outcome = self.waiter.ended() => outcome,
            () = accept.0.draining.cancelled() => return Ok(Some(Heard::Over)),
            () = tokio::time::sleep_until(self.next_read) => return Ok(None),
        };
        self.ended(&outcome).await.map(Some)
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
        let before = self.read;
        let texts = match self.read.more(&link, whose, api, LIVE_READ_BYTES).await {
            Ok(More::Texts(texts)) => texts,
            Ok(More::Closed) => return Looked::Closed,
            Err(_) => return Looked::Nothing,
        };
        if texts.is_empty() {
            return Looked::Nothing;
        }
        let (mut told, mut away) = (Vec::new(), false);
        for sealed in texts {
            match self.open(&sealed).await {
                Ok(Some(batch)) => told.extend(self.following.batch(batch)),
                Ok(None) => {}
                Err(error) => {
                    let error = telemetry::chain(&error);
                    tracing::debug!(error, "text of a log waits for its key");
                    // What comes before it adds nothing when it is read again.
                    self.read = before;
                    away = true;
                    break;
                }
            }
        }
        match (told.is_empty(), away) {
            (false, _) => Looked::Told(told),
            (true, false) => Looked::Old,
            (true, true) => Looked::Nothing,
        }
    }

    /// `None` where it never will be a batch: those after it are after a gap, and all
    /// of it comes at the end. An error where it may be one later.
    async fn open(&self, sealed: &[u8]) -> Result<Option<Batch>, VaultError> {
        let vault = &self.accept.0.vault;
        let opened = vault
            .open(self.account, Purpose::LiveLog, self.id.uuid(), sealed)
            .await;
        let error = match opened {
            Ok(bytes) => match Batch::decode(&bytes) {
                Ok(batch) => return Ok(Some(batch)),
                Err(error) => telemetry::chain(&error),
            },
            Err(error) if error.is_unavailable() => return Err(error),
            Err(error) => telemetry::chain(&error),
        };
        tracing::debug!(error, "text of a log is left to its end");
        Ok(None)
    }
}
