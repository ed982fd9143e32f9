//! How long each process has been silent, as this scheduler saw it.
//!
//! Silence counts only within the scheduler's *own* unbroken contact with
//! PostgreSQL: looks no further than [`CONTACT_GAP`] apart, all answered, in which
//! a heartbeat did not move. The times in the rows are compared with themselves and
//! never with a clock: after an outage of PostgreSQL all heartbeats are old, and
//! prove nothing.
//!
//! What always holds: one failed or late look starts every count afresh.

use std::collections::HashMap;
use std::time::Duration;

use common::db::processes::Process;
use common::ids::ProcessId;
use jiff::Timestamp;

/// Two looks further apart than this are not one contact.
pub const CONTACT_GAP: Duration = Duration::from_secs(1);

/// What was seen of each process during one unbroken contact.
#[derive(Debug, Default)]
pub struct Contact {
    last_look: Option<Duration>,
    /// Heartbeat, and the steady time at which it was first seen.
    seen: HashMap<ProcessId, (Timestamp, Duration)>,
}

impl Contact {
    /// PostgreSQL did not answer: whatever silence was counted proves nothing.
    pub fn lost(&mut self) {
        self.last_look = None;
        self.seen.clear();
    }

    /// Takes one look; gives each process with its silence. `asked` and `answered`
    /// are steady times around the reading.
    pub fn look(
        &mut self,
        (asked, answered): (Duration, Duration),
        rows: &[Process],
    ) -> Vec<(Process, Duration)> {
        let unbroken = self
            .last_look
            .is_some_and(|last| answered.saturating_sub(last) <= CONTACT_GAP);
        if !unbroken {
            self.seen.clear();
        }
        self.last_look = Some(answered);
        self.seen
            .retain(|id, _| rows.iter().any(|row| row.id == *id));
        rows.iter()
            .map(|row| {
                let seen = self
                    .seen
                    .entry(row.id)
                    .or_insert((row.heartbeat_at, answered));
                if seen.0 != row.heartbeat_at {
                    *seen = (row.heartbeat_at, answered);
                }
                // From the answer that showed the heartbeat first to the asking of
                // the one that shows it unmoved.
                (*row, asked.saturating_sub(seen.1))
            })
            .collect()
    }
}
