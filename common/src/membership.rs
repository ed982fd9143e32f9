//! A process's place among its peers: its row in `processes`, its heartbeat,
//! and its part in the barrier of a recovery.
//!
//! ```ignore
//! let member = Member::join(database, links, id, Kind::Worker).await?; // before the first link
//! tracker.spawn(async move { member.stay(&settlement, stop).await }); // implements Settle
//! // … cancel `stop` only after the outbox is empty: until then peers must count this process.
//! ```
//!
//! **How it works.** Each second the row's heartbeat is renewed. Every 200 ms the
//! partition is asked how it stands. When a recovery under generation G is seen,
//! the process's own [`Settle`] is called; once that says all is settled,
//! `acked_generation = G` is written. Recovery goes on when every process has
//! done so, or is dead.
//!
//! **What always holds.** The row exists before the process holds anything of a
//! generation, and is removed only after it holds nothing. G is acknowledged only
//! after `settle(G)` said so. Heartbeats go on while settling.
//!
//! **What it doesn't do.** It judges nobody: who is dead is the scheduler's word.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::db::{Database, DbError, processes};
use crate::ids::ProcessId;
use crate::limits::{HEARTBEAT_EVERY, HELLO_EVERY};
use crate::queue::{Links, Standing};
use crate::telemetry;

pub use crate::db::processes::Kind;

/// What a process has to have done before a recovery may go on without asking it again.
pub trait Settle: Send + Sync {
    /// Returns `Ok` once, for the recovery under `generation`:
    ///
    /// 1. everything the outbox holds is in PostgreSQL (the old generation still is
    ///    the current one there) or was refused by the door;
    /// 2. every `finish` that was sent and never answered is settled, over a link of
    ///    [`Links::recovering`]: hash final → nothing to do, its event is there; entry
    ///    leased to another → dropped; else, if the lease had not run out by the own
    ///    clock → the outcome *as sent* is recorded, as cancelled where the row has
    ///    `cancel_requested`;
    /// 3. the tokens held are compared and renewed under `generation`, every 500 ms
    ///    from now on, and the sandboxes of lost ones are killed.
    ///
    /// An error is logged and the call is repeated while this recovery goes on. It
    /// may be called more than once for one generation.
    fn settle(
        &self,
        generation: u64,
    ) -> impl Future<Output = Result<(), Box<dyn Error + Send + Sync>>> + Send;
}

#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    #[error("the process's row cannot be written")]
    Join(#[source] DbError),
}

/// A process that has its row in `processes`.
#[derive(Debug)]
pub struct Member {
    id: ProcessId,
    kind: Kind,
    database: Database,
    links: Links,
    /// The highest generation settled for; part of every heartbeat, so that a row
    /// that was purged meanwhile comes back whole.
    acked: AtomicU64,
}

impl Member {
    /// Writes the row. Before this the process may hold no link and no outcome.
    ///
    /// # Errors
    /// Where PostgreSQL does not take the row.
    pub async fn join(
        database: Database,
        links: Links,
        id: ProcessId,
        kind: Kind,
    ) -> Result<Self, MembershipError> {
        let member = Self {
            id,
            kind,
            database,
            links,
            acked: AtomicU64::new(0),
        };
        member.beat().await.map_err(MembershipError::Join)?;
        Ok(member)
    }

    #[must_use]
    pub const fn id(&self) -> ProcessId {
        self.id
    }

    /// Beats and settles until `stop`, then removes the row. Stop it last: after
    /// the outbox is empty and nothing is leased.
    pub async fn stay<S: Settle>(self, settlement: &S, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.heartbeats() => {}
            () = self.recoveries(settlement) => {}
        }
        if let Err(error) = self.leave().await {
            // Peers then wait until the silence counts as death: slower, not wrong.
            let error = telemetry::chain(&error);
            tracing::warn!(error, "the process's row stays behind");
        }
    }

    async fn heartbeats(&self) {
        let mut tick = every(HEARTBEAT_EVERY);
        let mut lost = false;
        loop {
            tick.tick().await;
            let beat = self.beat().await;
            if let Err(error) = &beat
                && !lost
            {
                let error = telemetry::chain(error);
                tracing::warn!(error, "the heartbeat cannot be written");
            }
            lost = beat.is_err();
        }
    }

    async fn recoveries<S: Settle>(&self, settlement: &S) {
        let mut tick = every(HELLO_EVERY);
        loop {
            tick.tick().await;
            let acked = self.acked.load(Ordering::Relaxed);
            let generation = match self.links.hello().await.map(|hello| hello.standing) {
                Ok(Standing::Recovering(Some(generation))) if generation > acked => generation,
                _ => continue,
            };
            match self.settle(settlement, generation).await {
                Ok(()) => tracing::info!(generation, "settled for the recovery"),
                Err(error) => {
                    let error = telemetry::chain(error.as_ref());
                    tracing::warn!(error, generation, "not settled yet for the recovery");
                }
            }
        }
    }

    async fn settle<S: Settle>(
        &self,
        settlement: &S,
        generation: u64,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        settlement.settle(generation).await?;
        self.acked.store(generation, Ordering::Relaxed);
        Ok(self.beat().await?)
    }

    async fn beat(&self) -> Result<(), DbError> {
        let client = self.database.client().await?;
        let acked = self.acked.load(Ordering::Relaxed);
        processes::beat(&client, self.id, self.kind, acked).await
    }

    async fn leave(&self) -> Result<(), DbError> {
        let client = self.database.client().await?;
        processes::leave(&client, self.id).await
    }
}

fn every(span: Duration) -> tokio::time::Interval {
    let mut tick = tokio::time::interval(span);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}
