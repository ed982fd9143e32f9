//! Which idle sandboxes go, and when.

use std::time::Duration;

use common::ids::VersionId;

use super::shelf::Idle;
use super::{IDLE, Kind, Sandboxes, Table};

/// Below this share of the machine's memory, idle sandboxes go.
const SHORT: f64 = 0.10;

/// What one look at the shelves threw away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    pub old: usize,
    /// They used the processor while they should only wait.
    pub restless: usize,
    /// For want of memory.
    pub memory: usize,
}

impl Sandboxes {
    /// Throws away what was unused for too long, what is idle and doesn't rest and, where
    /// memory is short, half of what is idle, the longest unused first.
    pub fn evict(&self, now: Duration, memory: Option<Memory>) -> Evicted {
        let mut table = self.table();
        let mut gone = table.take_where(|idle| now.saturating_sub(idle.since) > IDLE);
        let old = gone.len();
        gone.append(&mut table.take_where(|idle| !idle.sandbox.is_at_rest()));
        let mut evicted = Evicted {
            old,
            restless: gone.len() - old,
            memory: 0,
        };
        if memory.is_some_and(Memory::is_short) {
            evicted.memory = table.idle().div_ceil(2);
            gone.extend((0..evicted.memory).filter_map(|_| table.take_oldest()));
        }
        self.gauge(&table);
        drop(table);
        self.discarded("age", evicted.old);
        self.discarded("restless", evicted.restless);
        self.discarded("memory", evicted.memory);
        self.kill(gone);
        evicted
    }

    /// Throws away the idle sandboxes of a version that changed or is gone.
    pub fn retire(&self, version: VersionId) {
        self.retire_where(|kind| kind.version == version);
    }

    /// Throws away the idle sandboxes of these versions whose import found values that
    /// may have changed.
    pub fn retire_imports(&self, versions: &[VersionId]) {
        self.retire_where(|kind| kind.environment.is_some() && versions.contains(&kind.version));
    }

    fn retire_where(&self, goes: impl Fn(&Kind) -> bool) {
        let mut table = self.table();
        let kinds: Vec<Kind> = table.shelves.keys().copied().collect();
        let mut gone = Vec::new();
        for kind in kinds.into_iter().filter(goes) {
            if let Some(shelf) = table.shelves.get_mut(&kind) {
                gone.append(&mut shelf.idle);
            }
        }
        table.count -= gone.len();
        table.forget_empty();
        self.gauge(&table);
        drop(table);
        self.discarded("retired", gone.len());
        self.kill(gone);
    }

    /// Outside the table's lock: killing takes a moment.
    fn kill(&self, gone: Vec<Idle>) {
        for idle in gone {
            drop(idle);
            self.0.freed.notify_one();
        }
    }
}

impl Table {
    fn idle(&self) -> usize {
        self.shelves.values().map(|shelf| shelf.idle.len()).sum()
    }

    /// Takes out the longest unused, if any is idle.
    pub(super) fn take_oldest(&mut self) -> Option<Idle> {
        let oldest = self
            .shelves
            .iter()
            .filter_map(|(kind, shelf)| shelf.idle.first().map(|idle| (idle.since, *kind)))
            .min_by_key(|(since, _)| *since)?;
        let idle = self.shelves.get_mut(&oldest.1)?.idle.remove(0);
        self.count -= 1;
        self.forget_empty();
        Some(idle)
    }

    fn take_where(&mut self, goes: impl Fn(&Idle) -> bool) -> Vec<Idle> {
        let mut gone = Vec::new();
        for shelf in self.shelves.values_mut() {
            gone.extend(shelf.idle.extract_if(.., |idle| goes(idle)));
        }
        self.count -= gone.len();
        self.forget_empty();
        gone
    }

    fn forget_empty(&mut self) {
        self.shelves.retain(|_, shelf| !shelf.is_empty());
    }
}

/// The machine's memory, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    total: u64,
    available: u64,
}

impl Memory {
    /// Reads `/proc/meminfo`'s text; `None` where it doesn't say.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let figure = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            total: figure("MemTotal:")?,
            available: figure("MemAvailable:")?,
        })
    }

    /// The machine's, now.
    #[must_use]
    pub fn now() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/meminfo").ok()?)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a share of memory needs no more than a float's precision"
    )]
    fn is_short(self) -> bool {
        (self.available as f64) < self.total as f64 * SHORT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_short_below_a_tenth() {
        let memory = |available| Memory {
            total: 1_000,
            available,
        };
        assert!(!memory(100).is_short());
        assert!(memory(99).is_short());
    }

    #[test]
    fn the_kernels_text_is_understood() {
        let text = "MemTotal:       16384 kB\nMemFree: 1 kB\nMemAvailable:    8192 kB\n";
        let memory = Memory::parse(text).unwrap();
        assert_eq!((memory.total, memory.available), (16_384, 8_192));
        assert_eq!(Memory::parse("MemTotal: 1 kB\n"), None);
    }
}
