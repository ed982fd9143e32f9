//! Named points between two steps, at which a test can have the scheduler die.
//!
//! A scheduler that stands still at a point for ever and is then dropped has
//! done exactly what one killed there has: everything before, nothing after.
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

impl Point {
    /// Every point a recovery without rows passes.
    pub const ALL: [Self; 7] = [
        Self::Begun,
        Self::Barrier,
        Self::Events,
        Self::Door,
        Self::Counted,
        Self::Rewritten,
        Self::Certified,
    ];
}

/// Where to stand still, if anywhere.
#[derive(Clone, Debug, Default)]
pub struct Points(Option<Armed>);

#[derive(Clone, Debug)]
struct Armed {
    at: Point,
    reached: Arc<Notify>,
}

impl Points {
    /// No point is armed.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Stands still at `at`, and says so.
    #[must_use]
    pub fn stop_at(at: Point) -> (Self, Arc<Notify>) {
        let reached = Arc::new(Notify::new());
        let armed = Armed {
            at,
            reached: Arc::clone(&reached),
        };
        (Self(Some(armed)), reached)
    }

    pub(crate) async fn reach(&self, point: Point) {
        if let Some(armed) = &self.0
            && armed.at == point
        {
            armed.reached.notify_one();
            std::future::pending::<()>().await;
        }
    }
}
