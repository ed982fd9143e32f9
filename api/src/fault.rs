//! What a failing or refusing part of ours means to a client.

use common::accept::Refusal;
use common::db::DbError;
use common::telemetry;
use common::vault::VaultError;

use crate::problem::Problem;

/// Turns a failure to ask PostgreSQL into what the client is told.
pub(crate) trait Away<T> {
    /// PostgreSQL away is a 503; anything else of it our own fault.
    fn or_away(self) -> Result<T, Problem>;
}

impl<T> Away<T> for Result<T, DbError> {
    fn or_away(self) -> Result<T, Problem> {
        self.map_err(|error| {
            if error.is_unavailable() {
                let error = telemetry::chain(&error);
                tracing::warn!(error, "no answer from the record");
                Problem::RecordUnavailable("the record cannot be reached")
            } else {
                Problem::Internal(error.into())
            }
        })
    }
}

/// Turns a failure to seal or open into what the client is told.
pub(crate) trait Sealed<T> {
    fn or_sealed(self) -> Result<T, Problem>;
}

impl<T> Sealed<T> for Result<T, VaultError> {
    fn or_sealed(self) -> Result<T, Problem> {
        self.map_err(|error| {
            if error.is_unavailable() {
                let error = telemetry::chain(&error);
                tracing::warn!(error, "no answer from the keys");
                Problem::RecordUnavailable("the account's keys cannot be reached")
            } else {
                Problem::Internal(error.into())
            }
        })
    }
}

/// Turns a request that was not accepted into what the client is told.
pub(crate) trait Refused<T> {
    fn or_refused(self) -> Result<T, Problem>;
}

impl<T> Refused<T> for Result<T, Refusal> {
    fn or_refused(self) -> Result<T, Problem> {
        self.map_err(Problem::from)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Quota { resets_at } => Self::QuotaExceeded { resets_at },
            Refusal::NoSlot => Self::ConcurrencyExceeded,
            Refusal::Full => Self::BacklogFull,
            Refusal::Behind => Self::RecordBehind,
            Refusal::Conflict => Self::IdempotencyConflict,
            Refusal::Recovering => Self::QueueRecovering,
            Refusal::Reset => Self::QueueReset,
            Refusal::RecordAway(Some(id)) => Self::Unconfirmed(id),
            Refusal::RecordAway(None) => {
                Self::RecordUnavailable("the record cannot be reached; try again with the same key")
            }
            ours @ (Refusal::Vault(_)
            | Refusal::Queue(_)
            | Refusal::Record(_)
            | Refusal::Body(_)) => Self::Internal(ours.into()),
        }
    }
}
