//! Why a request did not become an execution, or its outcome can't be told.

use jiff::Timestamp;

use crate::db::DbError;
use crate::ids::ExecutionId;
use crate::queue::QueueError;
use crate::vault::VaultError;

/// An answer that says no. REST and MCP each have their own words for it.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("the executions of this period are used up")]
    Quota { resets_at: Timestamp },
    #[error("all executions at once are in use")]
    NoSlot,
    #[error("too many executions wait")]
    Full,
    #[error("too many outcomes wait to be recorded")]
    Behind,
    #[error("the idempotency key was used for another request")]
    Conflict,
    /// Nothing was done, or it may run once: a retry with the same key is safe.
    #[error("the queue is recovering")]
    Recovering,
    /// As above. The id is known where it may run.
    #[error("the record cannot be reached")]
    RecordAway(Option<ExecutionId>),
    /// Redis lost it before PostgreSQL knew: it is gone, or may have run once.
    #[error("the queue lost this execution")]
    Reset,
    #[error("the account's keys cannot be used")]
    Vault(#[source] VaultError),
    #[error("the queue gave no usable answer")]
    Queue(#[source] QueueError),
    #[error("the record gave no usable answer")]
    Record(#[source] DbError),
    /// A bug of ours: the pieces don't fit.
    #[error("an execution's body cannot be read")]
    Body(#[source] crate::entry::EntryError),
}

impl From<QueueError> for Refusal {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Recovering | QueueError::Unfit(_) => Self::Recovering,
            QueueError::OutOfMemory => Self::Full,
            QueueError::Redis { .. } => {
                tracing::warn!(
                    error = crate::telemetry::chain(&error),
                    "no answer from the queue"
                );
                Self::Recovering
            }
            QueueError::Reply { .. } => Self::Queue(error),
        }
    }
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        if error.is_unavailable() {
            tracing::warn!(
                error = crate::telemetry::chain(&error),
                "no answer from the record"
            );
            Self::RecordAway(None)
        } else {
            Self::Record(error)
        }
    }
}

impl From<VaultError> for Refusal {
    fn from(error: VaultError) -> Self {
        if error.is_unavailable() {
            tracing::warn!(
                error = crate::telemetry::chain(&error),
                "no answer from the keys"
            );
            Self::RecordAway(None)
        } else {
            Self::Vault(error)
        }
    }
}
