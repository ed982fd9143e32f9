//! What can go wrong between a process and the queue.

use redis::RedisError;

/// Why the queue gave no answer. An answer that says no is not an error.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Nothing was done. Never a reason to give up: greet again, then repeat, or
    /// tell the client to come back.
    #[error("the partition is recovering")]
    Recovering,
    /// What was asked for may have happened, see [`QueueError::is_unsure`].
    #[error("redis failed at {step}")]
    Redis {
        step: &'static str,
        #[source]
        source: RedisError,
    },
    #[error("{step} answered what this release cannot read: {what}")]
    Reply {
        step: &'static str,
        what: &'static str,
    },
    /// Nothing was done: only `accept` and `append_log` are refused by a full memory.
    #[error("redis has no memory left")]
    OutOfMemory,
    #[error("redis is not fit for the queue: {0}")]
    Unfit(&'static str),
}

impl QueueError {
    /// Whether what was asked for may have been done all the same.
    #[must_use]
    pub fn is_unsure(&self) -> bool {
        match self {
            Self::Recovering | Self::OutOfMemory | Self::Unfit(_) => false,
            Self::Reply { .. } => true,
            Self::Redis { source, .. } => {
                !(source.is_connection_refusal() || source.code() == Some("LOADING"))
            }
        }
    }

    pub(super) fn from_redis(step: &'static str, source: RedisError) -> Self {
        match source.code() {
            Some("OOM") => Self::OutOfMemory,
            // The stream or its group is gone: Redis lost its memory.
            Some("NOGROUP" | "UNBLOCKED") => Self::Recovering,
            _ => Self::Redis { step, source },
        }
    }
}
