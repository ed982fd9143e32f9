//! Permits to hold an execution: one is taken before an entry is read.
//!
//! Interactive and background have slots of their own, so that neither waits for
//! the other's. A reader that waits holds all free slots of its stream, so what is
//! reclaimed from a dead worker takes one of as many others; while it runs, the
//! next reads ask for fewer.
//!
//! The process for last starts has a single slot for everything it may ever hold,
//! read or reclaimed.

use std::sync::Arc;

use common::queue::StreamKind;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::SlotsConfig;

/// The slots of one process.
#[derive(Clone, Debug)]
pub struct Slots {
    interactive: Arc<Semaphore>,
    background: Arc<Semaphore>,
    reclaimed: Arc<Semaphore>,
    all: usize,
    alone: bool,
}

/// The right to hold one execution until it is dropped.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
    next: Option<StreamKind>,
}

impl Slot {
    /// The stream whose next entry may be taken when this slot's execution ends.
    #[must_use]
    pub const fn next(&self) -> Option<StreamKind> {
        self.next
    }
}

impl Slots {
    #[must_use]
    pub fn new(config: SlotsConfig) -> Self {
        let size = |count: u32| usize::try_from(count).unwrap_or(1);
        let of = |count: u32| Arc::new(Semaphore::new(size(count)));
        Self {
            interactive: of(config.interactive),
            background: of(config.background),
            reclaimed: of(config.all()),
            all: size(config.all()),
            alone: config.last_starts,
        }
    }

    /// Whether this process serves last starts, one at a time.
    #[must_use]
    pub const fn alone(&self) -> bool {
        self.alone
    }

    /// The streams whose readers wait for slots of their own.
    #[must_use]
    pub const fn streams(&self) -> &'static [StreamKind] {
        &[StreamKind::Interactive, StreamKind::Background]
    }

    /// Waits for one free slot of a stream, then takes all that are free with it,
    /// less one for each reclaimed execution.
    pub async fn take(&self, stream: StreamKind) -> Vec<Slot> {
        let semaphore = self.of(stream);
        let slot = |permit| Slot {
            _permit: permit,
            next: Some(stream),
        };
        let Ok(first) = semaphore.clone().acquire_owned().await else {
            return Vec::new();
        };
        let reclaimed = self.all - self.reclaimed.available_permits().min(self.all);
        let more = semaphore.available_permits().saturating_sub(reclaimed);
        let more = (0..more).map_while(|_| semaphore.clone().try_acquire_owned().ok());
        std::iter::once(first).chain(more).map(slot).collect()
    }

    /// At most `most` slots for what is reclaimed.
    #[must_use]
    pub fn take_for_reclaimed(&self, most: usize) -> Vec<Slot> {
        let permits = (0..most).map_while(|_| self.reclaimed.clone().try_acquire_owned().ok());
        let slot = |permit| Slot {
            _permit: permit,
            next: None,
        };
        permits.map(slot).collect()
    }

    /// Waits until nothing is held by the process that serves last starts.
    pub async fn take_alone(&self) -> Option<Slot> {
        let permit = self.reclaimed.clone().acquire_owned().await.ok()?;
        Some(Slot {
            _permit: permit,
            next: None,
        })
    }

    fn of(&self, stream: StreamKind) -> &Arc<Semaphore> {
        match stream {
            StreamKind::Background => &self.background,
            StreamKind::Interactive | StreamKind::LastStarts => &self.interactive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots() -> Slots {
        Slots::new(SlotsConfig {
            interactive: 3,
            background: 1,
            last_starts: false,
        })
    }

    #[tokio::test]
    async fn background_never_takes_an_interactive_slot() {
        let slots = slots();
        let background = slots.take(StreamKind::Background).await;
        assert_eq!(background.len(), 1);
        assert_eq!(slots.take(StreamKind::Interactive).await.len(), 3);
    }

    #[tokio::test]
    async fn what_is_reclaimed_finds_a_slot_while_a_reader_holds_all() {
        let slots = slots();
        let reading = slots.take(StreamKind::Interactive).await;
        let reclaimed = slots.take_for_reclaimed(16);
        assert_eq!(reclaimed.len(), 4);
        assert!(slots.take_for_reclaimed(1).is_empty());
        drop(reading);
        // A reader still gets one, or the stream would stand still behind them.
        assert_eq!(slots.take(StreamKind::Interactive).await.len(), 1);
        drop(reclaimed);
        assert_eq!(slots.take(StreamKind::Interactive).await.len(), 3);
    }

    #[tokio::test]
    async fn who_serves_last_starts_holds_one_in_all() {
        let slots = Slots::new(SlotsConfig {
            interactive: 3,
            background: 1,
            last_starts: true,
        });
        let held = slots.take_alone().await;
        assert!(slots.take_for_reclaimed(1).is_empty());
        drop(held);
        assert_eq!(slots.take_for_reclaimed(16).len(), 1);
    }
}
