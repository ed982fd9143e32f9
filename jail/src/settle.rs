//! Between two executions: the answer is given already, and nobody waits.
//!
//! An execution is over for its caller when its one frame is there. That its process
//! is dead and nothing of it is left is proved afterwards, before the sandbox takes
//! another one; where it can't be proved at once, or something followed the frame, the
//! sandbox is thrown away.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::channel::{Answer, Channel};
use crate::execute::over;
use crate::frame::ENDED_BYTES;
use crate::judge::Reason;
use crate::limits::{IDLE_CPU, LAST_CPU, LAST_LOOK, LAST_STEPS};
use crate::sandbox::Sandbox;

/// Who takes the next request.
#[derive(Debug)]
pub(crate) enum Next {
    /// A child waits for it at the other end.
    Waiting(Channel),
    /// The last execution answered, and its process is on its way out.
    Unsettled(Answered),
    /// Nobody.
    Spent,
}

/// An execution that answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) answer: Answer,
    /// The template has told its end already.
    pub(crate) has_ended: bool,
    /// Of the group, before it.
    pub(crate) oom_kills: u64,
    /// Of the group, when it had answered.
    pub(crate) cpu: Duration,
}

impl Next {
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Spent)
    }
}

impl Sandbox {
    /// Waits until the last execution is gone, proves that nothing is left of it, and has
    /// the child forked that waits for the next one. Gives whether the sandbox may be used;
    /// where it may not, all of it is dead. [`Sandbox::run`] does this where it is left out.
    pub async fn settle(&mut self) -> bool {
        match self.next.take() {
            Next::Spent => false,
            waiting @ Next::Waiting(_) => {
                self.next = waiting;
                true
            }
            Next::Unsettled(answered) => {
                let sound = self.is_settled(answered).await
                    && !self.cancelled.load(Ordering::Acquire)
                    && self.fork_ahead().await.is_ok();
                if !sound {
                    self.next = Next::Spent;
                    self.jail.kill();
                }
                sound
            }
        }
    }

    async fn is_settled(&mut self, mut answered: Answered) -> bool {
        if !answered.has_ended {
            match self.last_steps(answered.cpu).await {
                Some(Reason::Ended(ended)) if !ended.dirty => {}
                _ => return false,
            }
        }
        if let Some(way) = &self.jail.way
            && !way.drain().await
        {
            return false;
        }
        let length = answered.answer.got.len();
        answered.answer.take_rest(length);
        let followed = answered.answer.got.len() > length;
        let strict = self.jail.host.profile().strict_frames;
        !(strict && followed) && self.oom_kills() == answered.oom_kills
    }

    /// What the template says of its end; `None` where it runs on. `before` is what the group
    /// had used when the answer was there.
    async fn last_steps(&mut self, before: Duration) -> Option<Reason> {
        let bounded = self.jail.host.profile().bound_last_steps;
        let until = Instant::now() + LAST_STEPS;
        // A host on which a boot takes longer is slow at burials too.
        let most = LAST_CPU.max(self.jail.boot_cpu);
        loop {
            let told = self.jail.control.receive(ENDED_BYTES);
            if let Ok(told) = timeout(LAST_LOOK, told).await {
                return Some(over(told));
            }
            if !bounded {
                continue;
            }
            if Instant::now() >= until || self.cpu().saturating_sub(before) >= most {
                return None;
            }
        }
    }

    /// Whether it only waits for the next execution. What the import left in the template can
    /// go on (hooks around a fork, a handler of a timer), and nobody pays for that.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.cpu().saturating_sub(self.rested) < IDLE_CPU
    }

    pub(crate) fn cpu(&self) -> Duration {
        let remains = self.jail.remains.as_ref();
        remains.map_or(Duration::ZERO, |remains| remains.group.cpu())
    }
}
