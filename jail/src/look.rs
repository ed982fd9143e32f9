//! When a long execution is looked at, whatever it says.

use std::time::{Duration, Instant};

/// How often a long execution's group is asked whether something was killed in it; an
/// execution that goes on for this long after that is ended.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What takes longer than this may print more than its pipes hold, and is listened to.
const SHORT: Duration = Duration::from_millis(2);

/// When a long execution is looked at, whatever it says.
pub(crate) struct Look {
    /// At the latest.
    pub(crate) next: Instant,
    at: Instant,
    /// Both pipes are watched.
    pub(crate) is_heard: bool,
    oom_seen: bool,
}

impl Look {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            next: now + SHORT,
            at: now + LOOK_EVERY,
            is_heard: false,
            oom_seen: false,
        }
    }

    /// Whether it is time; and when the next time is.
    pub(crate) fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.at <= now;
        if due {
            self.at += LOOK_EVERY;
        }
        self.next = if self.is_heard { self.at } else { now + SHORT };
        due
    }

    /// A process of it was killed for memory, and the others may wait for that one:
    /// they are given the time until the next look.
    pub(crate) fn is_short_of_memory(&mut self, killed: bool) -> bool {
        std::mem::replace(&mut self.oom_seen, killed) && killed
    }
}
