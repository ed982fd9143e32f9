//! Named points between two steps, at which a test can have the scheduler die.
//!
//! A scheduler that stands still at a point and is then dropped has done exactly
//! what one killed there has: everything before, nothing after.
//! Outside tests no point is ever armed, and reaching one costs a comparison.

use std::sync::Arc;

use tokio::sync::Notify;

/// The points of the scheduler, in the order they are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The partition is closed to everybody.
    Begun,
    /// Everybody alive has settled.
    Barrier,
    /// The events that survived are recorded.
    Events,
    /// The door is closed to the older generation.
    Door,
    /// So many batches of rows are settled.
    Settled(usize),
    /// Quotas and slots are counted anew.
    Counted,
    /// The log is written anew.
    Rewritten,
    /// The partition is certified.
    Certified,
}

/// Where to stand still, if anywhere.
#[derive(Clone, Debug, Default)]
pub struct Points(Option<Armed>);

#[derive(Clone, Debug)]
struct Armed {
    at: Point,
    reached: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Points {
    /// No point is armed.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Stands still at `at` until [`Points::go_on`], and says when it came there.
    #[must_use]
    pub fn pause_at(at: Point) -> (Self, Arc<Notify>) {
        let reached = Arc::new(Notify::new());
        let armed = Armed {
            at,
            reached: Arc::clone(&reached),
            go_on: Arc::new(Notify::new()),
        };
        (Self(Some(armed)), reached)
    }

    /// Lets who stands still pass.
    pub fn go_on(&self) {
        if let Some(armed) = &self.0 {
            armed.go_on.notify_one();
        }
    }

    pub(crate) async fn reach(&self, point: Point) {
        if let Some(armed) = &self.0
            && armed.at == point
        {
            armed.reached.notify_one();
            armed.go_on.notified().await;
        }
    }
}
