//! Whether changes are heard, and so what may be answered from memory.
//!
//! While announcements are heard, what is remembered is true. When the connection they
//! come over is lost, each lookup asks PostgreSQL first. Only where PostgreSQL can't
//! be reached at all is memory good enough, and for a bounded time: what nobody can
//! reach revokes no keys, and synchronous calls go on through its restart.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long memory stands in for a PostgreSQL that can't be reached.
const OUTAGE: Duration = Duration::from_secs(300);
/// After a failed lookup the next ones don't try again for this long: shorter than
/// the second within which a revoked key is dead.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct Hearing(Mutex<Ear>);

#[derive(Clone, Copy, Debug)]
struct Ear {
    /// `None` while changes are heard.
    deaf_since: Option<Instant>,
    failed_at: Option<Instant>,
}

impl Hearing {
    /// Deaf until told otherwise.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Ear {
            deaf_since: Some(Instant::now()),
            failed_at: None,
        }))
    }

    pub(crate) fn listening(&self) {
        *self.ear() = Ear {
            deaf_since: None,
            failed_at: None,
        };
    }

    pub(crate) fn lost(&self) {
        let mut ear = self.ear();
        ear.deaf_since.get_or_insert_with(Instant::now);
    }

    /// Whether memory may answer without asking.
    pub(crate) fn may_remember(&self) -> bool {
        let ear = *self.ear();
        let paused = ear.failed_at.is_some_and(|at| at.elapsed() < PAUSE);
        match ear.deaf_since {
            None => true,
            Some(since) => paused && since.elapsed() < OUTAGE,
        }
    }

    /// PostgreSQL was asked and could not be reached: may memory answer instead?
    pub(crate) fn failed(&self) -> bool {
        let mut ear = self.ear();
        ear.failed_at = Some(Instant::now());
        ear.deaf_since.is_none_or(|since| since.elapsed() < OUTAGE)
    }

    fn ear(&self) -> std::sync::MutexGuard<'_, Ear> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn memory_answers_while_changes_are_heard_or_nobody_can_be_asked() {
        let hearing = Hearing::new();
        assert!(!hearing.may_remember(), "deaf at the start");
        hearing.listening();
        assert!(hearing.may_remember());
        hearing.lost();
        assert!(!hearing.may_remember(), "deaf: ask first");
        assert!(hearing.failed());
        assert!(hearing.may_remember(), "just failed");
        tokio::time::advance(PAUSE).await;
        assert!(!hearing.may_remember(), "ask again");
        tokio::time::advance(OUTAGE).await;
        assert!(!hearing.failed(), "too long deaf");
        assert!(!hearing.may_remember());
    }
}
