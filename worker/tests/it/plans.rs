//! What each plan grants is what its executions get, from the queue to the kernel.

use std::time::Duration;

use common::execution::{ErrorCode, FinalState};
use common::plan::{Plan, PlanLimits, Plans};
use common::testing::given::Tenant;
use serde_json::json;

use crate::rig::{Ask, Outcome, Rig};

const PROGRAM: &str = include_str!("plans.py");
const MIB: u64 = 1 << 20;

/// Somebody who pays for a plan, and what a version of theirs was granted.
struct Payer<'a> {
    rig: &'a Rig,
    version: &'a Tenant,
    plan: Plan,
    memory_mib: u32,
    timeout: Duration,
}

impl<'a> Payer<'a> {
    /// As the api grants it where a function sets no limits.
    fn of(rig: &'a Rig, version: &'a Tenant, plan: Plan, limits: &PlanLimits) -> Self {
        Self {
            rig,
            version,
            plan,
            memory_mib: limits.memory_mib,
            timeout: Duration::from_millis(limits.timeout_ms.into()),
        }
    }

    async fn takes(&self, what: &str, count: u64) -> Outcome {
        let input = json!({"what": what, "count": count}).to_string();
        let ask = Ask {
            input: &input,
            plan: self.plan,
            memory_mib: self.memory_mib,
            timeout: self.timeout,
            ..Ask::default()
        };
        let id = self.rig.accept(self.version, &ask).await;
        self.rig.outcome(self.version, id).await
    }

    async fn may_take(&self, what: &str, count: u64) -> Outcome {
        let outcome = self.takes(what, count).await;
        let (plan, error) = (self.plan, &outcome.error);
        assert!(error.is_none(), "{plan:?}, {count} of {what}: {error:?}");
        outcome
    }

    async fn may_not_take(&self, what: &str, count: u64, code: ErrorCode, words: &str) {
        let outcome = self.takes(what, count).await;
        let plan = self.plan;
        let error = outcome.error.expect("a failure");
        assert_eq!(error.code, code, "{plan:?}, {count} of {what}: {error:?}");
        assert!(error.message.contains(words), "{plan:?}: {error:?}");
        assert_eq!(outcome.sealed.ending.state, code.state());
        // The next one is well.
        self.may_take("nothing", 0).await;
    }
}

async fn memory(payer: &Payer<'_>) {
    let most = u64::from(payer.memory_mib);
    let outcome = payer.may_take("memory", most - 2).await;
    let peak = outcome.sealed.ending.memory_peak_bytes.unwrap() / MIB;
    assert!((most - 3..most + 3).contains(&peak), "{peak} of {most} MiB");
    let words = format!("more memory than its limit of {most} MiB");
    let code = ErrorCode::OutOfMemory;
    payer.may_not_take("memory", most + 7, code, &words).await;
}

async fn processes(payer: &Payer<'_>, most: u32) {
    payer.may_take("processes", most.into()).await;
    let words = format!("at most {most} processes and threads");
    let code = ErrorCode::TooManyProcesses;
    let more = u64::from(most) + 1;
    payer.may_not_take("processes", more, code, &words).await;
}

async fn scratch(payer: &Payer<'_>, mib: u32) {
    let most = u64::from(mib) * MIB;
    payer.may_take("scratch", most).await;
    let words = format!("/tmp holds {mib} MiB in 16384 files");
    let code = ErrorCode::DiskFull;
    payer.may_not_take("scratch", most + 1, code, &words).await;
}

/// Of cores and time: what was used took as long as the share makes it, less the tenths of
/// a second that it began and ended in.
async fn cpu(payer: &Payer<'_>, percent: u32) {
    let cores = std::thread::available_parallelism().unwrap().get();
    if percent as usize >= 100 * cores {
        // This machine has no more than the plan.
        return;
    }
    let ending = payer.may_take("cpu", 6).await.sealed.ending;
    let (used, took) = (ending.cpu_us.unwrap(), ending.duration_us.unwrap());
    assert!(used >= 600_000, "{used}");
    let least = (used * 100 / u64::from(percent)).saturating_sub(200_000);
    assert!(took >= least, "{:?}: {used} in {took} us", payer.plan);
}

/// What the code is told is left of it, and how soon it is over.
async fn time(payer: &Payer<'_>) {
    let outcome = payer.may_take("nothing", 0).await;
    let left: u128 = outcome.output.unwrap().parse().unwrap();
    let all = payer.timeout.as_millis();
    assert!((all - 5_000..=all).contains(&left), "{left} of {all} ms");
}

#[tokio::test]
async fn each_plan_s_limits_are_the_ones_that_its_executions_meet() {
    let rig = Rig::new().await;
    let version = rig.function(PROGRAM).await;
    let _worker = rig.worker(&[]).await;
    let plans = Plans::shipped().unwrap();
    for plan in [Plan::Free, Plan::Builder, Plan::Pro, Plan::Enterprise] {
        let limits = plans.of(plan);
        let payer = Payer::of(&rig, &version, plan, limits);
        memory(&payer).await;
        processes(&payer, limits.pids).await;
        scratch(&payer, limits.scratch_mib).await;
        cpu(&payer, limits.cpu_percent).await;
        time(&payer).await;
    }
}

#[tokio::test]
async fn a_version_s_own_smaller_limits_win() {
    let rig = Rig::new().await;
    let version = rig.function(PROGRAM).await;
    let _worker = rig.worker(&[]).await;
    let plans = Plans::shipped().unwrap();
    let payer = Payer {
        memory_mib: 48,
        timeout: Duration::from_millis(1_500),
        ..Payer::of(&rig, &version, Plan::Pro, plans.of(Plan::Pro))
    };
    memory(&payer).await;
    payer.may_take("sleep", 100).await;
    let code = ErrorCode::Timeout;
    let words = "longer than 1500 ms";
    payer.may_not_take("sleep", 60_000, code, words).await;
    // All else is the plan's still.
    processes(&payer, 64).await;
    assert_eq!(code.state(), FinalState::TimedOut);
}
