//! The barrier of a recovery: who still has to say that nothing of the old
//! generation is left with it, and who is dead and will never say it.
//!
//! A process counts as dead only after [`DEAD_AFTER`] of silence within the
//! scheduler's own unbroken contact with PostgreSQL; see [`Contact`].

use std::time::Duration;

use common::db::processes::Process;
use common::ids::ProcessId;
use common::limits::DEAD_AFTER;

use crate::contact::Contact;

/// What one look at `processes` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Alive, or not silent for long enough, and not settled yet.
    pub waiting: Vec<ProcessId>,
    /// Silent for long enough, and not settled.
    pub dead: Vec<ProcessId>,
}

impl Verdict {
    #[must_use]
    pub(super) fn is_open(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Who has settled for one generation.
#[derive(Debug)]
pub(super) struct Barrier {
    generation: u64,
    contact: Contact,
}

impl Barrier {
    #[must_use]
    pub(super) fn new(generation: u64) -> Self {
        Self {
            generation,
            contact: Contact::default(),
        }
    }

    /// PostgreSQL did not answer.
    pub(super) fn contact_lost(&mut self) {
        self.contact.lost();
    }

    /// Takes one look, asked and answered at these steady times.
    pub(super) fn look(&mut self, at: (Duration, Duration), rows: &[Process]) -> Verdict {
        let mut verdict = Verdict::default();
        for (process, silence) in self.contact.look(at, rows) {
            if process.acked >= self.generation {
                continue;
            }
            if silence >= DEAD_AFTER {
                verdict.dead.push(process.id);
            } else {
                verdict.waiting.push(process.id);
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use common::clock::{Clock as _, ManualClock};

    use super::*;

    const LOOK: Duration = Duration::from_millis(200);

    fn process(clock: &ManualClock, acked: u64) -> Process {
        Process {
            id: ProcessId::new(clock),
            kind: common::db::processes::Kind::Worker,
            heartbeat_at: clock.now(),
            acked,
        }
    }

    fn look(barrier: &mut Barrier, clock: &ManualClock, rows: &[Process]) -> Verdict {
        let at = clock.steady();
        barrier.look((at, at), rows)
    }

    #[test]
    fn nobody_to_wait_for_opens_it_at_once() {
        let clock = ManualClock::at("2026-03-01T00:00:00Z");
        assert!(look(&mut Barrier::new(4), &clock, &[]).is_open());
        let settled = process(&clock, 4);
        assert!(look(&mut Barrier::new(4), &clock, &[settled]).is_open());
    }

    #[test]
    fn an_older_settlement_does_not_count() {
        let clock = ManualClock::at("2026-03-01T00:00:00Z");
        let row = process(&clock, 3);
        assert_eq!(look(&mut Barrier::new(4), &clock, &[row]).waiting, [row.id]);
    }

    #[test]
    fn a_silent_process_is_dead_after_five_seconds_of_contact_and_not_before() {
        let clock = ManualClock::at("2026-03-01T00:00:00Z");
        let row = process(&clock, 0);
        let mut barrier = Barrier::new(1);
        // Its heartbeat is old already: that alone says nothing.
        clock.advance(Duration::from_secs(3_600));
        for _ in 0..25 {
            assert_eq!(look(&mut barrier, &clock, &[row]).waiting, [row.id]);
            clock.advance(LOOK);
        }
        assert_eq!(look(&mut barrier, &clock, &[row]).dead, [row.id]);
    }

    #[test]
    fn a_heartbeat_in_between_starts_the_count_again() {
        let clock = ManualClock::at("2026-03-01T00:00:00Z");
        let mut row = process(&clock, 0);
        let mut barrier = Barrier::new(1);
        for step in 0..60 {
            if step % 20 == 0 {
                row.heartbeat_at = clock.now();
            }
            assert!(!look(&mut barrier, &clock, &[row]).is_open(), "step {step}");
            clock.advance(LOOK);
        }
    }

    #[test]
    fn a_gap_in_the_contact_proves_nothing() {
        let clock = ManualClock::at("2026-03-01T00:00:00Z");
        let row = process(&clock, 0);
        let mut barrier = Barrier::new(1);
        for _ in 0..4 {
            assert!(!look(&mut barrier, &clock, &[row]).is_open());
            // The scheduler itself was away, and then again.
            clock.advance(Duration::from_secs(4));
        }
        for _ in 0..20 {
            assert!(!look(&mut barrier, &clock, &[row]).is_open());
            clock.advance(LOOK);
        }
        barrier.contact_lost();
        for _ in 0..24 {
            assert!(!look(&mut barrier, &clock, &[row]).is_open());
            clock.advance(LOOK);
        }
    }

    #[test]
    fn a_slow_answer_does_not_count_as_silence() {
        let clock = ManualClock::at("2026-03-01T00:00:00Z");
        let row = process(&clock, 0);
        let mut barrier = Barrier::new(1);
        let mut at = Duration::ZERO;
        for _ in 0..5 {
            assert!(
                !barrier
                    .look((at, at + Duration::from_millis(900)), &[row])
                    .is_open()
            );
            at += Duration::from_millis(990);
        }
        // First answer at 0.9 s, this look asked at 4.95 s.
        assert!(!barrier.look((at, at), &[row]).is_open());
    }
}
