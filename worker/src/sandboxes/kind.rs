//! Which executions may share a sandbox, and what one is made of.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use common::entry::Entry;
use common::ids::VersionId;
use common::limits;
use common::plan::{Plan, PlanLimits};
use jail::{Environment, Limits};

use crate::versions::Loaded;

/// Which executions may share a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    pub(super) version: VersionId,
    pub(super) plan: Plan,
    pub(super) memory_mib: u32,
    /// Of what its import found, where it reads that. The key is this process's own.
    pub(super) environment: Option<u64>,
}

impl From<&Entry> for Kind {
    fn from(entry: &Entry) -> Self {
        Self {
            version: entry.version,
            plan: entry.plan,
            memory_mib: entry.memory_mib,
            environment: None,
        }
    }
}

impl Kind {
    /// Of those whose import finds this environment.
    pub(super) fn with(self, environment: &Environment, digests: &RandomState) -> Self {
        let digest = || digests.hash_one(environment.values().collect::<Vec<_>>());
        Self {
            environment: (!environment.is_empty()).then(digest),
            ..self
        }
    }
}

/// What an execution's sandbox is made of.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub version: &'a Loaded,
    /// How long its packages may take to be installed.
    pub patience: Duration,
    /// What its import finds; empty where it reads none of it.
    pub environment: &'a Environment,
    /// Nobody else comes with these values: the sandbox serves this execution alone.
    pub alone: bool,
}

/// The plan's bounds for one execution, with the memory it was granted.
pub(super) fn limits_of(plan: &PlanLimits, kind: Kind) -> Limits {
    const MIB: u64 = 1 << 20;
    Limits {
        memory_bytes: u64::from(kind.memory_mib) * MIB,
        cpu_percent: plan.cpu_percent,
        cpu_weight: 100,
        pids: plan.pids,
        scratch_bytes: u64::from(plan.scratch_mib) * MIB,
        scratch_inodes: limits::SCRATCH_FILES,
    }
}
