//! One lease in the hands of its attempt.

use std::collections::HashMap;

use common::ids::ExecutionId;
use common::queue::Token;
use jail::Killer;
use tokio::sync::watch;

use super::table::{Held, Leases, Phase, Sign, stale};

/// The lease was taken by another, or is gone.
#[derive(Debug, thiserror::Error)]
#[error("the lease is lost")]
pub struct Lost;

/// One execution held by this process. Dropping it takes it out of the table.
#[derive(Debug)]
pub struct Lease {
    leases: Leases,
    id: ExecutionId,
    token: Token,
    signs: watch::Receiver<Sign>,
}

impl Lease {
    pub(super) const fn new(
        leases: Leases,
        id: ExecutionId,
        token: Token,
        signs: watch::Receiver<Sign>,
    ) -> Self {
        Self {
            leases,
            id,
            token,
            signs,
        }
    }

    /// What the attempt must do now.
    #[must_use]
    pub fn sign(&self) -> Sign {
        *self.signs.borrow()
    }

    /// Waits until the attempt must do something else than run.
    pub async fn stopped(&self) -> Sign {
        let mut signs = self.signs.clone();
        let sign = signs.wait_for(|sign| *sign > Sign::Run).await;
        sign.map_or(Sign::Lost, |sign| *sign)
    }

    /// User code may run from here on: the own clock watches. The lease is known to
    /// hold.
    pub fn begin(&self) {
        let mut table = self.leases.held();
        if let Some(held) = self.mine(&mut table)
            && held.phase == Phase::Before
        {
            held.phase = Phase::Runs;
        }
    }

    /// Gives the table what kills the sandbox; where the attempt was told to stop
    /// already, it is killed now.
    pub fn attach(&self, killer: Killer) {
        let mut table = self.leases.held();
        match self.mine(&mut table) {
            Some(held) if *held.sign.borrow() == Sign::Run => held.killer = Some(killer),
            _ => killer.kill(),
        }
    }

    /// No user code runs any more: the own clock has nothing to stop, and the
    /// sandbox may go on to another execution.
    pub fn ran(&self) {
        let mut table = self.leases.held();
        if let Some(held) = self.mine(&mut table) {
            held.phase = match held.phase {
                Phase::Before | Phase::Runs | Phase::Over => Phase::Over,
                Phase::Stopped => Phase::Stopped,
            };
            held.killer = None;
        }
    }

    /// Waits until the lease is known to hold: at once as a rule, after the next
    /// renewal where the last one is too long ago.
    ///
    /// # Errors
    /// Where it turns out to be lost.
    pub async fn fresh(&self) -> Result<(), Lost> {
        loop {
            let changed = self.leases.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.sign() == Sign::Lost {
                return Err(Lost);
            }
            let now = self.leases.0.clock.steady();
            let sent = self.mine(&mut self.leases.held()).map(|held| held.sent);
            match sent {
                None => return Err(Lost),
                Some(sent) if !stale(sent, now) => return Ok(()),
                Some(_) => changed.await,
            }
        }
    }

    /// Its place in the table, unless a younger lease of the same execution has it.
    fn mine<'a>(&self, table: &'a mut HashMap<ExecutionId, Held>) -> Option<&'a mut Held> {
        table
            .get_mut(&self.id)
            .filter(|held| held.token == self.token)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut table = self.leases.held();
        if self.mine(&mut table).is_some() {
            table.remove(&self.id);
        }
    }
}
