//! One request to run a version: whose it is, what runs, with which input.

use std::fmt;

use jiff::civil::Date;
use sha2::{Digest as _, Sha256};

use super::period::ChargePeriod;
use super::target::Target;
use crate::entry::Entry;
use crate::execution::Trigger;
use crate::ids::{AccountId, ExecutionId};
use crate::plan::{Plan, PlanLimits};
use crate::queue::{Bounds, Key, Owner};

/// Executions a day of an account whose email is not verified.
pub const UNVERIFIED_PER_DAY: u64 = 100;

/// The account that is charged.
#[derive(Clone, Copy, Debug)]
pub struct Payer {
    pub account: AccountId,
    pub plan: Plan,
    /// A user of it has a verified email.
    pub verified: bool,
    /// UTC day whose day of the month begins each quota period.
    pub anchor: Date,
}

/// A JSON object of environment values, which no log shows.
#[derive(Clone, Copy)]
pub struct OwnEnv<'a>(pub &'a [u8]);

impl fmt::Debug for OwnEnv<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnEnv")
    }
}

/// A request whose input has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub payer: Payer,
    pub target: &'a Target,
    /// The version's number, where one was asked for: part of what a key stands for.
    pub asked_version: Option<u32>,
    /// JSON text, as it came.
    pub input: &'a [u8],
    /// Environment values for this execution, declared by the target.
    pub env: Option<OwnEnv<'a>>,
    pub key: Option<&'a str>,
    pub trigger: Trigger,
}

impl Ask<'_> {
    pub(super) fn owner(&self) -> Owner {
        Owner {
            account: self.payer.account,
            namespace: self.target.namespace,
            function: self.target.function,
            version: self.target.version,
        }
    }

    /// What a client's key stands for: the target and the input's bytes, not how
    /// long the client waits.
    pub(super) fn key(&self) -> Option<Key> {
        let key = self.key?;
        let mut digest = Sha256::new();
        digest.update(self.target.namespace.uuid().as_bytes());
        digest.update(self.target.function.uuid().as_bytes());
        match self.asked_version {
            None => digest.update([0]),
            Some(number) => {
                digest.update([1]);
                digest.update(number.to_be_bytes());
            }
        }
        digest.update(self.input);
        Some(Key {
            hash: Sha256::digest(key.as_bytes()).into(),
            digest: digest.finalize().into(),
        })
    }

    /// With its texts sealed.
    pub(super) fn entry(&self, limits: &PlanLimits, input: Vec<u8>, env: Option<Vec<u8>>) -> Entry {
        Entry {
            trigger: self.trigger,
            plan: self.payer.plan,
            once: self.target.once(),
            account: self.payer.account,
            namespace: self.target.namespace,
            function: self.target.function,
            version: self.target.version,
            timeout_ms: self.target.timeout_ms,
            memory_mib: self.target.memory_mib,
            input,
            env,
        }
        .within(limits)
    }

    pub(super) fn bounds(&self, limits: &PlanLimits) -> Bounds {
        Bounds {
            quota: self.payer.quota(limits),
            concurrency: limits.concurrency,
            background: limits.background(),
            queued: limits.queued,
            function_concurrency: self.target.concurrency,
        }
    }
}

impl Payer {
    /// The period an execution is charged in: the month's, or the day's for an
    /// account whose email is not verified.
    pub(super) fn period(&self, id: ExecutionId) -> ChargePeriod {
        if self.verified {
            ChargePeriod::of_month(self.anchor, id.at())
        } else {
            ChargePeriod::of_day(id.at())
        }
    }

    fn quota(&self, limits: &PlanLimits) -> Option<u64> {
        let plan = limits.executions_per_period;
        if self.verified {
            plan
        } else {
            Some(plan.map_or(UNVERIFIED_PER_DAY, |most| most.min(UNVERIFIED_PER_DAY)))
        }
    }
}
