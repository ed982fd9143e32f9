//! The sandboxes of one kind: idle, busy, and waited for.

use std::collections::VecDeque;
use std::time::Duration;

use jail::Sandbox;
use tokio::sync::oneshot;

use super::InUse;

#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// The last used is at the end, and is used next: the others grow old.
    pub(super) idle: Vec<Idle>,
    pub(super) busy: usize,
    waiting: VecDeque<oneshot::Sender<InUse>>,
    /// What binding took the last time.
    pub(super) cost: Duration,
}

#[derive(Debug)]
pub(super) struct Idle {
    pub(super) sandbox: Box<Sandbox>,
    /// Steady time at which it was given back.
    pub(super) since: Duration,
}

impl Shelf {
    pub(super) fn take_idle(&mut self) -> Option<Box<Sandbox>> {
        let idle = self.idle.pop()?;
        self.busy += 1;
        Some(idle.sandbox)
    }

    /// The next sandbox that comes free goes to whoever waited longest.
    pub(super) fn wait(&mut self) -> oneshot::Receiver<InUse> {
        let (give, free) = oneshot::channel();
        self.waiting.retain(|waiter| !waiter.is_closed());
        self.waiting.push_back(give);
        free
    }

    /// One more is bound, and busy.
    pub(super) fn bound(&mut self, cost: Duration) {
        self.busy += 1;
        self.cost = cost;
    }

    pub(super) fn next_waiter(&mut self) -> Option<oneshot::Sender<InUse>> {
        self.waiting.pop_front()
    }

    pub(super) fn put_back(&mut self, sandbox: Box<Sandbox>, now: Duration) {
        self.busy -= 1;
        self.idle.push(Idle {
            sandbox,
            since: now,
        });
    }

    /// A busy one is no more.
    pub(super) fn gone(&mut self) {
        self.busy -= 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.busy == 0
    }
}
