//! Two host uids for each sandbox, which nobody else on the host uses.
//!
//! A worker takes a *block* of uids by locking a file that every worker of this host
//! knows, whichever copy it belongs to. The lock is the worker's sign of life: who
//! gets the lock of a block knows that its former owner is dead, and may sweep what
//! that one left. Inside a block, sandbox `k` has the uids `first + 2k` (its
//! template) and `first + 2k + 1` (its executions).

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::limits::DYING;

/// Host-wide, as uids are.
const LOCKS: &str = "/run/patchbay-uids";
const FIRST: u32 = 200_000;
const BLOCKS: u32 = 1_000;
/// Where only 65,536 uids are mapped, as in a container: below systemd's dynamic users.
const SMALL: Range<u32> = 30_000..61_184;
/// Uids of one block: two for each sandbox.
pub(crate) const BLOCK: u32 = 2_048;

#[derive(Debug, thiserror::Error)]
pub enum UidError {
    #[error("cannot use {LOCKS} to share uids among workers")]
    Locks(#[source] io::Error),
    #[error("cannot read {0}")]
    Read(String, #[source] io::Error),
    #[error("no block of {BLOCK} unused uids is left on this host")]
    NoneFree,
}

/// A block of uids; free again when dropped or when the process ends.
#[derive(Debug)]
pub(crate) struct Block {
    number: u32,
    first: u32,
    places: Mutex<Places>,
    came_free: Condvar,
    _lock: File,
}

#[derive(Debug)]
struct Places {
    free: BTreeSet<u32>,
    /// Sandboxes that were killed and hold theirs until they are buried.
    dying: usize,
}

impl Block {
    /// Takes the first block that nobody has. `leftover` is asked to clean up after a
    /// dead owner, and tells whether the block is clean now.
    pub(crate) fn take(
        sandboxes: u32,
        leftover: impl Fn(u32, Range<u32>) -> bool,
    ) -> Result<Self, UidError> {
        make_locks().map_err(UidError::Locks)?;
        let mapped = mapped("/proc/self/uid_map")?;
        let mapped_gids = mapped_gids()?;
        let taken = taken_ids();
        for (number, range) in blocks() {
            let whole = |spans: &[Range<u64>]| spans.iter().any(|span| covers(span, &range));
            if !whole(&mapped) || !whole(&mapped_gids) || overlaps(&taken, &range) {
                continue;
            }
            let Some(lock) = lock(number).map_err(UidError::Locks)? else {
                continue;
            };
            if !leftover(number, range.clone()) {
                continue;
            }
            let free = (0..sandboxes.min(BLOCK / 2)).collect();
            return Ok(Self {
                number,
                first: range.start,
                places: Mutex::new(Places { free, dying: 0 }),
                came_free: Condvar::new(),
                _lock: lock,
            });
        }
        Err(UidError::NoneFree)
    }

    pub(crate) const fn number(&self) -> u32 {
        self.number
    }

    pub(crate) const fn uids(&self) -> Range<u32> {
        self.first..self.first + BLOCK
    }

    /// The lowest free place, waiting for one that somebody is about to leave; `None` where
    /// as many sandboxes live as may.
    pub(crate) fn place(&self) -> Option<u32> {
        let is_coming = |places: &mut Places| places.free.is_empty() && places.dying > 0;
        let waited = self
            .came_free
            .wait_timeout_while(self.places(), DYING, is_coming);
        let (mut places, _) = waited.unwrap_or_else(PoisonError::into_inner);
        places.free.pop_first()
    }

    pub(crate) fn give_back(&self, place: u32) {
        self.places().free.insert(place);
        self.came_free.notify_one();
    }

    /// A sandbox was killed.
    pub(crate) fn dies(&self) {
        self.places().dying += 1;
    }

    /// It is buried, or could not be; [`Block::give_back`] comes first.
    pub(crate) fn died(&self) {
        self.places().dying -= 1;
        self.came_free.notify_one();
    }

    #[cfg(feature = "testing")]
    pub(crate) fn free_places(&self) -> usize {
        self.places().free.len()
    }

    /// The template's uid; the executions' is the next one.
    pub(crate) const fn uid(&self, place: u32) -> u32 {
        self.first + 2 * place
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the owner of this block is dead; holding the file keeps it so.
pub(crate) fn lock(number: u32) -> io::Result<Option<File>> {
    let path = Path::new(LOCKS).join(number.to_string());
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// Whether a worker that shares these locks ever had this block.
pub(crate) fn was_taken(number: u32) -> bool {
    Path::new(LOCKS).join(number.to_string()).exists()
}

pub(crate) fn make_locks() -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(LOCKS)
}

fn blocks() -> impl Iterator<Item = (u32, Range<u32>)> {
    let big = (0..BLOCKS).map(|n| (n, FIRST + n * BLOCK..FIRST + (n + 1) * BLOCK));
    let fitting = (SMALL.end - SMALL.start) / BLOCK;
    let small = (0..fitting).map(|n| {
        let first = SMALL.start + n * BLOCK;
        (BLOCKS + n, first..first + BLOCK)
    });
    big.chain(small)
}

fn mapped(path: &str) -> Result<Vec<Range<u64>>, UidError> {
    let text = fs::read_to_string(path).map_err(|error| UidError::Read(path.to_owned(), error))?;
    Ok(spans(&text))
}

fn mapped_gids() -> Result<Vec<Range<u64>>, UidError> {
    mapped("/proc/self/gid_map")
}

/// `inside outside count` lines; the inside ids that exist.
fn spans(text: &str) -> Vec<Range<u64>> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let first: u64 = words.next()?.parse().ok()?;
            let count: u64 = words.nth(1)?.parse().ok()?;
            Some(first..first.saturating_add(count))
        })
        .collect()
}

/// Ids that belong to accounts of this host, or are lent to some for containers.
fn taken_ids() -> Vec<Range<u32>> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let fields = |line: &str, at: usize| line.split(':').nth(at).and_then(|n| n.parse().ok());
    let mut taken = Vec::new();
    for path in ["/etc/passwd", "/etc/group"] {
        taken.extend(read(path).lines().filter_map(|line| {
            let id: u32 = fields(line, 2)?;
            Some(id..id.saturating_add(1))
        }));
    }
    for path in ["/etc/subuid", "/etc/subgid"] {
        taken.extend(read(path).lines().filter_map(|line| {
            let first: u32 = fields(line, 1)?;
            Some(first..first.saturating_add(fields(line, 2)?))
        }));
    }
    taken
}

fn covers(span: &Range<u64>, range: &Range<u32>) -> bool {
    span.start <= u64::from(range.start) && u64::from(range.end) <= span.end
}

fn overlaps(taken: &[Range<u32>], range: &Range<u32>) -> bool {
    taken
        .iter()
        .any(|other| other.start < range.end && range.start < other.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_never_overlap_and_stay_below_the_container_bound() {
        let all: Vec<_> = blocks().collect();
        for (at, (_, range)) in all.iter().enumerate() {
            assert_eq!(range.end - range.start, BLOCK);
            assert!(!overlaps(
                &all[..at].iter().map(|b| b.1.clone()).collect::<Vec<_>>(),
                range
            ));
        }
        assert!(all.iter().any(|(_, range)| range.end <= 65_536));
    }

    #[test]
    fn a_block_that_is_not_mapped_or_lent_to_somebody_is_not_used() {
        let container = spans("0 100000 65536\n");
        assert!(
            !container
                .iter()
                .any(|span| covers(span, &(200_000..202_048)))
        );
        assert!(container.iter().any(|span| covers(span, &(30_000..32_048))));
        let lent = std::slice::from_ref(&(231_072..296_608));
        assert!(overlaps(lent, &(230_720..232_768)));
        assert!(!overlaps(lent, &(200_000..202_048)));
    }
}
