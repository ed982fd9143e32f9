//! Meets every limit once, at a worker's start, before any tenant's code.
//!
//! A limit that was set is not yet one that holds: a host may lack a controller, mount
//! without a flag, or run a kernel that ignores an option. So a sandbox with small
//! limits runs programs that go past each of them, and what they met is told twice,
//! from inside and from the group's counters outside. What doesn't hold is named, and
//! the worker doesn't start.

use std::fs;
use std::time::{Duration, Instant};

use crate::cgroup::{Counters, GroupError};
use crate::environment::Environment;
use crate::host::{BootError, Host};
use crate::limits::Limits;
use crate::outcome::{Done, Failure, FailureCode};
use crate::sandbox::{Code, Context, Request, Sandbox, SandboxError};

const SOURCE: &str = include_str!("selftest.py");
const LIMITS: Limits = Limits {
    memory_bytes: 16 << 20,
    cpu_percent: 50,
    cpu_weight: 100,
    pids: 8,
    scratch_bytes: 1 << 20,
    scratch_inodes: 32,
};
const PATIENCE: Duration = Duration::from_secs(60);

/// A limit the host can't enforce; the worker must not start.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    #[error("this host does not enforce: {}", .0.join(", "))]
    Unenforced(Vec<String>),
    #[error("the self-test's sandbox did not start")]
    Boot(#[from] BootError),
    #[error("the self-test's sandbox was lost")]
    Sandbox(#[from] SandboxError),
    #[error("the self-test's program was not imported: {}", .0.message)]
    Import(Failure),
    #[error("the self-test's group cannot be read")]
    Group(#[from] GroupError),
}

impl Host {
    /// Boots one sandbox and meets every limit; half a second.
    ///
    /// # Errors
    /// Names each limit that isn't enforced.
    pub async fn self_test(&self) -> Result<(), SelfTestError> {
        let generic = self.boot().await?;
        let bound = generic
            .bind(&Code::single(SOURCE), &LIMITS, PATIENCE)
            .await?;
        let mut sandbox = bound.sandbox.map_err(SelfTestError::Import)?;
        let mut missing = Vec::new();
        for probe in ["walls", "scratch", "empty"] {
            missing.extend(told(probe, &run(&mut sandbox, probe).await?));
        }
        let before = counters(&sandbox)?;
        missing.extend(told("processes", &run(&mut sandbox, "processes").await?));
        if counters(&sandbox)?.pids_refused == before.pids_refused {
            missing.push("processes (the group refused none)".to_owned());
        }
        if !is_throttled(&mut sandbox).await? {
            missing.push("cpu".to_owned());
        }
        // Last, for it costs the sandbox.
        let done = run(&mut sandbox, "memory").await?;
        if !matches!(&done.result, Err(failure) if failure.code == FailureCode::OutOfMemory) {
            missing.push("memory".to_owned());
        }
        if !gone(sandbox).await? {
            missing.push("the end of a sandbox (its group is still there)".to_owned());
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(SelfTestError::Unenforced(missing))
    }
}

async fn run(sandbox: &mut Sandbox, probe: &str) -> Result<Done, SandboxError> {
    // A host may have no interface but `lo` either: only the namespace's own name tells.
    let ours = fs::read_link("/proc/self/ns/net").unwrap_or_default();
    let ours = ours.display();
    let input = format!("{{\"probe\":\"{probe}\",\"net\":\"{ours}\"}}");
    let request = Request {
        input: input.as_bytes(),
        context: Context::default(),
        timeout: PATIENCE,
        output_bytes: 64 << 10,
        tap: None,
        environment: Environment::default(),
    };
    sandbox.run(request).await
}

/// Whether a tenth of a core is all it gets. A busy host gives it less now and then.
async fn is_throttled(sandbox: &mut Sandbox) -> Result<bool, SelfTestError> {
    let before = sandbox.jail.remains()?.group.throttled();
    for _ in 0..20 {
        sandbox.settle().await;
        sandbox.jail.remains()?.group.set_cpu(10, 100)?;
        run(sandbox, "cpu").await?;
        let group = &sandbox.jail.remains()?.group;
        let throttled = group.throttled();
        // What follows an answer has to be over in time.
        group.set_cpu(LIMITS.cpu_percent, LIMITS.cpu_weight)?;
        if throttled > before {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What the program found missing; that it could not say is a finding as well.
fn told(probe: &str, done: &Done) -> Vec<String> {
    match &done.result {
        Ok(names) => serde_json::from_slice(names).unwrap_or_else(|_| vec![probe.to_owned()]),
        Err(failure) => vec![format!(
            "{probe} ({}: {})",
            failure.code.as_str(),
            failure.message
        )],
    }
}

fn counters(sandbox: &Sandbox) -> Result<Counters, SandboxError> {
    Ok(sandbox.jail.remains()?.group.counters())
}

/// Whether the sandbox's group goes away once it is dropped.
async fn gone(sandbox: Sandbox) -> Result<bool, SandboxError> {
    let places = sandbox.jail.remains()?.group.places().clone();
    drop(sandbox);
    let until = Instant::now() + Duration::from_secs(10);
    while places
        .directories()
        .iter()
        .any(|directory| directory.exists())
    {
        if Instant::now() >= until {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(true)
}
