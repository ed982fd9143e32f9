//! Time is an argument, so that tests move it and never sleep.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};

/// Wall time and a steady time. Wall time may jump; the steady one counts the
/// machine's sleep too (`CLOCK_BOOTTIME`), as leases need it.
pub trait Clock: Debug + Send + Sync {
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary fixed point.
    fn steady(&self) -> Duration;
}

pub type SharedClock = Arc<dyn Clock>;

#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn steady(&self) -> Duration {
        clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<(Timestamp, Duration)>);

impl ManualClock {
    /// A clock standing at an RFC 3339 time.
    ///
    /// # Panics
    /// Where the text is no time: a test's mistake.
    #[must_use]
    pub fn at(rfc3339: &str) -> Self {
        let Ok(now) = rfc3339.parse() else {
            panic!("not an RFC 3339 time: {rfc3339}");
        };
        Self(Mutex::new((now, Duration::ZERO)))
    }

    pub fn advance(&self, by: Duration) {
        let mut time = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        time.0 += by;
        time.1 += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn steady(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}
