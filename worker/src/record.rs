//! What this worker tells PostgreSQL: outcomes, long runs, only starts.

use bytes::Bytes;
use common::clock::SharedClock;
use common::db::{Database, DbError};
use common::entry::Entry;
use common::execution::SealedOutcome;
use common::ids::ExecutionId;
use common::metrics::WorkerMetrics;
use common::queue::{EventId, Key, Links, QueueError};
use common::record::{self, Ended, Note, Noted, OnceStart, Outbox, WriteError};
use jiff::Timestamp;

use crate::attempt::Work;

/// An only start whose fate is not known: it must not happen.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
    #[error("the queue's generation is not known")]
    Queue(#[source] QueueError),
    #[error("postgresql cannot be reached")]
    Database(#[source] DbError),
    #[error("the start cannot be written")]
    Write(#[source] WriteError),
}

/// Writes to PostgreSQL, at once or by way of the outbox. Handles share it.
#[derive(Clone, Debug)]
pub struct Record {
    pub database: Database,
    pub links: Links,
    pub outbox: Outbox,
    pub clock: SharedClock,
    pub metrics: WorkerMetrics,
}

/// An outcome that stands in Redis.
#[derive(Debug)]
pub struct Stands {
    pub id: ExecutionId,
    pub body: Bytes,
    pub outcome: SealedOutcome,
    pub event: EventId,
    pub key: Option<Key>,
    pub generation: u64,
}

impl Record {
    /// Puts an outcome into the outbox.
    pub fn ended(&self, stands: Stands) {
        let taken = self.outbox.end(Ended {
            id: stands.id,
            event: stands.event,
            generation: stands.generation,
            body: stands.body,
            key: stands.key,
            outcome: stands.outcome,
        });
        if !taken {
            tracing::warn!("the outbox is full: an outcome has its event only");
        }
        self.gauge();
    }

    /// Notes that an execution has been running for a while.
    pub async fn running(&self, work: &Work, at: Timestamp) {
        // While the partition is recovering, the recovery asks what runs.
        let Ok(link) = self.links.link().await else {
            return;
        };
        self.outbox.note(Noted {
            id: work.leased.id,
            event: None,
            generation: link.generation(),
            body: work.leased.body.clone(),
            note: Note::Started {
                attempt: work.attempt(),
                tried: 0,
                losses: work.losses,
                at,
            },
        });
        self.gauge();
    }

    /// Asks PostgreSQL for the only start an execution has.
    ///
    /// # Errors
    /// Its fate is not known.
    pub async fn start_once(&self, work: &Work, entry: &Entry) -> Result<OnceStart, OnceError> {
        let link = self.links.link().await.map_err(OnceError::Queue)?;
        let mut client = self.database.client().await.map_err(OnceError::Database)?;
        let start = (work.leased.id, entry, None);
        record::start_once(&mut client, link.generation(), start, self.clock.now())
            .await
            .map_err(OnceError::Write)
    }

    /// Shows how much waits.
    pub fn gauge(&self) {
        let waiting = i64::try_from(self.outbox.len()).unwrap_or(i64::MAX);
        self.metrics.outbox.set(waiting);
    }
}
