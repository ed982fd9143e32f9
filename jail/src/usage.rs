//! What an execution uses, told by its group's counters, which no code inside can change.
//!
//! Processor time is that of all its processes until the answer, orphans among them.
//! Memory is the largest use on top of what was used before it: all that is the
//! execution's own, files in `/tmp` and `/dev/shm` included. Files that are only read
//! are kept in memory by the kernel as long as there is room; that is nobody's use.

use std::time::Instant;

use crate::cgroup::{Counters, Group};

/// Growth of memory below which page cache isn't looked into, and room below the limit
/// within which it is.
const CACHE_MATTERS: u64 = 8 << 20;
/// Memory between two executions may differ by this much before page cache is looked at anew.
const CACHE_DRIFTS: u64 = 2 << 20;

/// Page cache when it was last looked at, which is rarely: it costs as much as all else here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileCache {
    bytes: u64,
    /// All memory at that moment.
    usage: u64,
}

impl FileCache {
    pub(crate) fn of(group: &Group) -> Self {
        Self {
            bytes: group.file_cache(),
            usage: group.usage(),
        }
    }
}

/// The group's counters before an execution.
pub(crate) struct Before {
    pub(crate) counters: Counters,
    pub(crate) at: Instant,
    usage: u64,
    cache: u64,
}

impl Before {
    pub(crate) fn of(group: &Group, known: &mut FileCache) -> Self {
        group.reset_peak();
        let usage = group.usage();
        // Earlier executions may have read files, each too few to be looked into.
        if usage.abs_diff(known.usage) > CACHE_DRIFTS {
            *known = FileCache::of(group);
        }
        Self {
            counters: group.counters(),
            at: Instant::now(),
            usage,
            cache: known.bytes,
        }
    }

    /// Largest use of memory since, without what the kernel only cached.
    pub(crate) fn peak(&self, group: &Group, limit: u64) -> u64 {
        let peak = group.peak();
        let grown = peak.saturating_sub(self.usage);
        // Near its limit a group's cache makes room, and hides as much growth.
        if grown <= CACHE_MATTERS && peak.saturating_add(CACHE_MATTERS) <= limit {
            return grown;
        }
        (grown + self.cache).saturating_sub(group.file_cache())
    }
}
