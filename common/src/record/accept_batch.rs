//! Group commit of asynchronous requests: one transaction, one fsync, for all that
//! wait at the moment.
//!
//! A request takes a [`Permit`] before it asks the queue, so that Redis is not
//! touched while PostgreSQL is known to be away or too many wait; then it commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::WriteError;
use super::batch::Batch;
use crate::db::{Database, DbError};
use crate::entry::Entry;
use crate::ids::ExecutionId;
use crate::limits;
use crate::queue::Key;
use crate::telemetry;

/// How often an absent PostgreSQL is asked whether it is there again.
const LOOK: Duration = Duration::from_millis(200);

/// An execution the queue has accepted.
#[derive(Clone, Debug)]
pub struct Accept {
    pub id: ExecutionId,
    /// The generation of the link over which it was accepted.
    pub generation: u64,
    pub entry: Entry,
    pub key: Option<Key>,
}

/// What a commit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The row is there, of now or of before.
    Row,
    /// The key stands for another execution, as may be after a loss: answer that one.
    Other(ExecutionId),
}

#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The door: Redis lost its memory meanwhile; it is gone everywhere.
    #[error("the queue has lost its memory since it accepted")]
    Refused,
    /// It may run once.
    #[error("postgresql did not confirm")]
    Unavailable,
    #[error("too many requests wait for postgresql")]
    Crowded,
    #[error("the row cannot be written")]
    Unfit,
}

/// Cheap to clone. Work is done by [`AcceptBatcher::run`].
#[derive(Clone, Debug)]
pub struct AcceptBatcher(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    database: Database,
    places: Arc<Semaphore>,
    away: AtomicBool,
    send: mpsc::Sender<Waiting>,
    receive: tokio::sync::Mutex<mpsc::Receiver<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    accept: Accept,
    tell: oneshot::Sender<Result<Committed, AcceptError>>,
    _place: OwnedSemaphorePermit,
}

/// A place in a coming batch.
#[derive(Debug)]
pub struct Permit {
    place: OwnedSemaphorePermit,
    send: mpsc::Sender<Waiting>,
}

impl Permit {
    /// Waits until the execution's row is committed.
    ///
    /// # Errors
    /// See the variants; each is a 503.
    pub async fn commit(self, accept: Accept) -> Result<Committed, AcceptError> {
        let (tell, told) = oneshot::channel();
        let waiting = Waiting {
            accept,
            tell,
            _place: self.place,
        };
        // As many places as the channel holds: it is never full.
        self.send
            .send(waiting)
            .await
            .map_err(|_| AcceptError::Unavailable)?;
        told.await.unwrap_or(Err(AcceptError::Unavailable))
    }
}

impl AcceptBatcher {
    /// `database` is of one connection, [`Database::single`]: a second one would only
    /// make the batches smaller.
    #[must_use]
    pub fn new(database: Database) -> Self {
        let (send, receive) = mpsc::channel(limits::ACCEPT_WAITING);
        Self(Arc::new(Shared {
            database,
            places: Arc::new(Semaphore::new(limits::ACCEPT_WAITING)),
            away: AtomicBool::new(false),
            send,
            receive: tokio::sync::Mutex::new(receive),
        }))
    }

    /// A place in a coming batch.
    ///
    /// # Errors
    /// `Unavailable` where PostgreSQL is known to be away, `Crowded` where too many wait.
    pub fn permit(&self) -> Result<Permit, AcceptError> {
        if self.0.away.load(Ordering::Relaxed) {
            return Err(AcceptError::Unavailable);
        }
        let place = Arc::clone(&self.0.places)
            .try_acquire_owned()
            .map_err(|_| AcceptError::Crowded)?;
        Ok(Permit {
            place,
            send: self.0.send.clone(),
        })
    }

    /// Commits batch after batch until `stop`, then what waits. One at a time: a
    /// second call waits for the first to end.
    pub async fn run(&self, stop: &CancellationToken, mut wrote: impl FnMut(u64) + Send) {
        let mut receive = self.0.receive.lock().await;
        let mut batch = Vec::with_capacity(limits::ACCEPT_BATCH);
        loop {
            let looking = self.0.away.load(Ordering::Relaxed);
            tokio::select! {
                biased;
                _ = receive.recv_many(&mut batch, limits::ACCEPT_BATCH) => {}
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK), if looking => self.look().await,
            }
            if !batch.is_empty() {
                wrote(self.commit(&mut batch).await);
            }
        }
    }

    async fn look(&self) {
        if self.0.database.ping().await.is_ok() {
            self.0.away.store(false, Ordering::Relaxed);
        }
    }

    /// Commits all of them, those of one generation together.
    async fn commit(&self, waiting: &mut Vec<Waiting>) -> u64 {
        let mut committed = 0;
        while let Some(first) = waiting.first() {
            let generation = first.accept.generation;
            let (now, later): (Vec<_>, Vec<_>) = std::mem::take(waiting)
                .into_iter()
                .partition(|one| one.accept.generation == generation);
            *waiting = later;
            committed += self.commit_generation(generation, now).await;
        }
        committed
    }

    async fn commit_generation(&self, generation: u64, mut now: Vec<Waiting>) -> u64 {
        let result = self.write(generation, &now).await;
        self.0.away.store(
            result.as_ref().is_err_and(WriteError::is_unavailable),
            Ordering::Relaxed,
        );
        let owners = match result {
            Ok(written) => written.owners,
            // One of them is unfit: the others must not suffer.
            Err(error) if now.len() > 1 && unfit(&error) => {
                let second = now.split_off(now.len() / 2);
                let first = Box::pin(self.commit_generation(generation, now)).await;
                return first + Box::pin(self.commit_generation(generation, second)).await;
            }
            Err(error) => {
                tell_all(now, &error);
                return 0;
            }
        };
        let count = now.len() as u64;
        for one in now {
            let owner = one
                .accept
                .key
                .and_then(|key| owners.get(&(one.accept.entry.account, key.hash)));
            let committed = match owner {
                Some(owner) if *owner != one.accept.id => Committed::Other(*owner),
                _ => Committed::Row,
            };
            // Who asked may have left; the row stays.
            let _ = one.tell.send(Ok(committed));
        }
        count
    }

    async fn write(
        &self,
        generation: u64,
        waiting: &[Waiting],
    ) -> Result<super::Written, WriteError> {
        let mut batch = Batch::default();
        for one in waiting {
            batch.row(one.accept.id, one.accept.entry.clone(), one.accept.key);
        }
        let client = self
            .0
            .database
            .client()
            .await
            .map_err(WriteError::Database)?;
        batch.write(&client, generation).await
    }
}

const fn unfit(error: &WriteError) -> bool {
    matches!(error, WriteError::Database(error) if !error.is_unavailable())
}

fn tell_all(waiting: Vec<Waiting>, error: &WriteError) {
    tracing::warn!(
        error = telemetry::chain(error),
        requests = waiting.len(),
        "accepted executions are not committed"
    );
    for one in waiting {
        let _ = one.tell.send(Err(match error {
            WriteError::Refused(_) => AcceptError::Refused,
            WriteError::Database(DbError::Unavailable(_)) => AcceptError::Unavailable,
            WriteError::Database(_) => AcceptError::Unfit,
        }));
    }
}
