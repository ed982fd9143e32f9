//! Meets every limit once, at a worker's start, before any tenant's code.
//!
//! A limit that was set is not yet one that holds: a host may lack a controller, mount
//! without a flag, or run a kernel that ignores an option. So a sandbox with small
//! limits runs programs that go past each of them, and what they met is told twice,
//! from inside and from the group's counters outside. What doesn't hold is named, and
//! the worker doesn't start.

mod report;

use std::fs;
use std::time::{Duration, Instant};

use crate::cgroup::{Counters, GroupError};
use crate::egress::{HostName, NamedHost, Network};
use crate::environment::Environment;
use crate::host::{BootError, Host};
use crate::limits::Limits;
use crate::outcome::{Done, Failure, FailureCode};
use crate::sandbox::{Code, Context, Request, Sandbox, SandboxError};

use report::{Controller, group_file};
pub use report::{Report, Wall};

const SOURCE: &str = include_str!("selftest.py");
const LIMITS: Limits = Limits {
    memory_bytes: 16 << 20,
    cpu_percent: 50,
    cpu_weight: 100,
    pids: 8,
    scratch_bytes: 1 << 20,
    scratch_inodes: 32,
};
const NAMESPACES: [&str; 6] = ["cgroup", "ipc", "mnt", "net", "user", "uts"];
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
        let report = self.check().await?;
        let missing: Vec<_> = report.missing().iter().map(ToString::to_string).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(SelfTestError::Unenforced(missing))
    }

    /// The same, and tells of every limit, whether it holds or not.
    ///
    /// # Errors
    /// Where no sandbox came up to meet them in.
    pub async fn check(&self) -> Result<Report, SelfTestError> {
        let generic = self.boot().await?;
        let bound = generic
            .bind(&Code::single(SOURCE), &LIMITS, PATIENCE)
            .await?;
        let mut sandbox = bound.sandbox.map_err(SelfTestError::Import)?;
        let mut report = Report::default();
        for probe in ["walls", "scratch", "empty"] {
            for (name, holds) in told(probe, &run(&mut sandbox, probe).await?) {
                report.tried(&name, holds);
            }
        }
        processes(&mut sandbox, &mut report).await?;
        cpu(&mut sandbox, &mut report).await?;
        // Last, for it costs the sandbox.
        memory(&mut sandbox, &mut report).await?;
        let end = if gone(sandbox).await? {
            Ok("its processes are dead and its groups gone".to_owned())
        } else {
            Err("its group is still there".to_owned())
        };
        report.add(
            "the end of a sandbox",
            "SIGKILL to its pid 1, then its groups are removed".to_owned(),
            end,
        );
        self.proxy(&mut report).await?;
        Ok(report)
    }

    /// In a sandbox of its own, which names an address that can't be opened.
    async fn proxy(&self, report: &mut Report) -> Result<(), SelfTestError> {
        let mapped = NamedHost {
            name: HostName::Exact("::ffff:127.0.0.1".to_owned()),
            port: 9,
        };
        let network = Network {
            hosts: vec![mapped],
            bytes: 1,
            is_trusted: false,
        };
        let generic = self.boot().await?.reaching(network);
        let bound = generic
            .bind(&Code::single(SOURCE), &LIMITS, PATIENCE)
            .await?;
        let mut sandbox = bound.sandbox.map_err(SelfTestError::Import)?;
        for (name, holds) in told("proxy", &run(&mut sandbox, "proxy").await?) {
            report.tried(&name, holds);
        }
        Ok(())
    }
}

/// Told twice: by the forks that failed, and by the group that refused them.
async fn processes(sandbox: &mut Sandbox, report: &mut Report) -> Result<(), SelfTestError> {
    let how = group_file(sandbox.jail.remains()?.group.places(), Controller::Pids);
    let before = counters(sandbox)?.pids_refused;
    let told = told("processes", &run(sandbox, "processes").await?);
    let refused = counters(sandbox)?.pids_refused.saturating_sub(before);
    let met = match told.iter().find(|(_, holds)| !holds) {
        Some((name, _)) if name == "processes" => Err("none of 30 forks failed".to_owned()),
        Some((what_happened, _)) => Err(what_happened.clone()),
        None if refused == 0 => Err("a fork failed, but the group refused none".to_owned()),
        None => Ok(format!("EAGAIN, pids.events rose by {refused}")),
    };
    report.add("processes", how, met);
    Ok(())
}

/// A tenth of a core is all it gets. A busy host gives it less now and then.
async fn cpu(sandbox: &mut Sandbox, report: &mut Report) -> Result<(), SelfTestError> {
    let group = &sandbox.jail.remains()?.group;
    let how = group_file(group.places(), Controller::Cpu);
    let before = group.throttled();
    let mut met = Err("it ran on past its quota".to_owned());
    for _ in 0..20 {
        sandbox.settle().await;
        sandbox.jail.remains()?.group.set_cpu(10, 100)?;
        run(sandbox, "cpu").await?;
        let group = &sandbox.jail.remains()?.group;
        let throttled = group.throttled().saturating_sub(before);
        // What follows an answer has to be over in time.
        group.set_cpu(LIMITS.cpu_percent, LIMITS.cpu_weight)?;
        if throttled > 0 {
            met = Ok(format!("nr_throttled rose by {throttled}"));
            break;
        }
    }
    report.add("cpu", how, met);
    Ok(())
}

async fn memory(sandbox: &mut Sandbox, report: &mut Report) -> Result<(), SelfTestError> {
    let how = group_file(sandbox.jail.remains()?.group.places(), Controller::Memory);
    let before = counters(sandbox)?.oom_kills;
    let done = run(sandbox, "memory").await?;
    let killed = counters(sandbox)?.oom_kills.saturating_sub(before);
    let met = match &done.result {
        Err(failure) if failure.code == FailureCode::OutOfMemory && killed > 0 => {
            Ok(format!("oom_kill rose by {killed}"))
        }
        Err(failure) => Err(failure.message.clone()),
        Ok(_) => Err("it wrote to 64 MiB of 16".to_owned()),
    };
    report.add("memory", how, met);
    Ok(())
}

async fn run(sandbox: &mut Sandbox, probe: &str) -> Result<Done, SandboxError> {
    // A host may have no interface but `lo` either: only the namespaces' own names tell.
    let ours = NAMESPACES.map(|name| {
        let link = fs::read_link(format!("/proc/self/ns/{name}")).unwrap_or_default();
        format!("\"{name}\":\"{}\"", link.display())
    });
    let ours = ours.join(",");
    let input = format!("{{\"probe\":\"{probe}\",\"outside\":{{{ours}}}}}");
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

/// What the program found, wall by wall; that it could not say is a finding as well.
fn told(probe: &str, done: &Done) -> Vec<(String, bool)> {
    let failed = |why: String| vec![(format!("{probe} ({why})"), false)];
    match &done.result {
        Ok(found) => serde_json::from_slice(found)
            .unwrap_or_else(|error| failed(format!("an answer of another form: {error}"))),
        Err(failure) => failed(format!("{}: {}", failure.code.as_str(), failure.message)),
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
