//! What this process ended and PostgreSQL has not confirmed.
//!
//! Together with the event in Redis this is the second copy of an outcome: either
//! may be lost. It is bounded; what doesn't fit has only its event, and the sweep
//! records it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot, watch};

use super::{Ended, Noted};
use crate::limits;

/// What became of something that was to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is in PostgreSQL, or something final was there before it.
    Committed,
    /// The door refused it: Redis lost its memory meanwhile, the recovery decides.
    Refused,
    /// PostgreSQL refuses it as it is; its event stays.
    Unfit,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are ends; a box each would cost more than it saves"
)]
pub(super) enum What {
    Ended(Ended),
    Noted(Noted),
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) what: What,
    told: Option<oneshot::Sender<Recorded>>,
}

impl Item {
    pub(super) fn generation(&self) -> u64 {
        match &self.what {
            What::Ended(ended) => ended.generation,
            What::Noted(noted) => noted.generation,
        }
    }

    fn bytes(&self) -> usize {
        match &self.what {
            What::Ended(ended) => {
                let outcome = &ended.outcome;
                let texts = [&outcome.output, &outcome.error, &outcome.logs];
                let texts: usize = texts.into_iter().flatten().map(Vec::len).sum();
                FIXED + ended.body.len() + texts
            }
            What::Noted(noted) => FIXED + noted.body.len(),
        }
    }

    fn tell(self, recorded: Recorded) {
        if let Some(told) = self.told {
            // Who asked may have left.
            let _ = told.send(recorded);
        }
    }
}

/// What an item takes besides its bytes, about.
const FIXED: usize = 512;

/// Cheap to clone; shared by the tasks that end executions and the recorder.
#[derive(Clone, Debug)]
pub struct Outbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Notify,
    /// How many are waiting or being written.
    held: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Item>,
    /// Of all that are held, those being written among them.
    held: usize,
    bytes: usize,
    /// Somebody waits for a commit: write without waiting for more.
    urgent: bool,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Outbox {
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            wake: Notify::new(),
            held: watch::Sender::new(0),
        }))
    }

    /// Takes an outcome; `false` where the outbox is full, and the event in Redis is
    /// the only copy.
    #[must_use]
    pub fn end(&self, ended: Ended) -> bool {
        self.push(Item {
            what: What::Ended(ended),
            told: None,
        })
    }

    /// Takes a note; `false` where the outbox is full.
    pub fn note(&self, noted: Noted) -> bool {
        self.push(Item {
            what: What::Noted(noted),
            told: None,
        })
    }

    /// Records an outcome without waiting for more to write, and waits for it.
    /// `None` where the outbox is full or the recorder stopped: the event stays.
    pub async fn end_now(&self, ended: Ended) -> Option<Recorded> {
        let (tell, told) = oneshot::channel();
        let taken = self.push(Item {
            what: What::Ended(ended),
            told: Some(tell),
        });
        if !taken {
            return None;
        }
        self.hurry();
        told.await.ok()
    }

    /// How many outcomes and notes PostgreSQL has not confirmed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().held
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until everything that is held is in PostgreSQL, or was refused.
    pub async fn drained(&self) {
        let mut held = self.0.held.subscribe();
        self.hurry();
        // The sender lives in `self`.
        let _ = held.wait_for(|held| *held == 0).await;
    }

    fn hurry(&self) {
        self.lock().urgent = true;
        self.0.wake.notify_one();
    }

    fn push(&self, item: Item) -> bool {
        let mut state = self.lock();
        let bytes = item.bytes();
        if state.held >= limits::OUTBOX_ITEMS || state.bytes + bytes > limits::OUTBOX_BYTES {
            return false;
        }
        state.bytes += bytes;
        state.held += 1;
        state.waiting.push_back(item);
        let held = state.held;
        // Once at the first, to start the pause, and once when a batch is full.
        let wake = state.waiting.len() == 1 || state.waiting.len() == limits::RECORD_BATCH;
        drop(state);
        self.0.held.send_replace(held);
        if wake {
            self.0.wake.notify_one();
        }
        true
    }

    /// Waits until there is something to write.
    pub(super) async fn filled(&self) {
        loop {
            let woken = self.0.wake.notified();
            if !self.lock().waiting.is_empty() {
                return;
            }
            woken.await;
        }
    }

    /// Waits until there is no use in waiting for more.
    pub(super) async fn ripe(&self) {
        loop {
            let woken = self.0.wake.notified();
            {
                let state = self.lock();
                if state.urgent || state.waiting.len() >= limits::RECORD_BATCH {
                    return;
                }
            }
            woken.await;
        }
    }

    /// Takes the next batch out; it counts as held until it is settled.
    pub(super) fn take(&self) -> Vec<Item> {
        let mut state = self.lock();
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < limits::RECORD_BATCH
            && (batch.is_empty() || bytes < limits::RECORD_BATCH_BYTES)
            && let Some(item) = state.waiting.pop_front()
        {
            bytes += item.bytes();
            batch.push(item);
        }
        if state.waiting.is_empty() {
            state.urgent = false;
        }
        batch
    }

    /// Lets go of what was taken.
    pub(super) fn settle(&self, items: Vec<Item>, recorded: Recorded) {
        let held = {
            let mut state = self.lock();
            state.held -= items.len();
            state.bytes -= items.iter().map(Item::bytes).sum::<usize>();
            state.held
        };
        for item in items {
            item.tell(recorded);
        }
        self.0.held.send_replace(held);
    }

    /// Puts back what was taken and could not be written, before the rest.
    pub(super) fn put_back(&self, items: Vec<Item>) {
        let mut state = self.lock();
        state.urgent |= items.iter().any(|item| item.told.is_some());
        for item in items.into_iter().rev() {
            state.waiting.push_front(item);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
