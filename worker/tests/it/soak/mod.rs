//! Many executions, good, failing and hostile, leave a worker as it was.
//!
//! A worker first runs a part of them, so that what is made once is there; their versions are
//! then announced as changed, with which all their sandboxes go, and what the worker holds is
//! noted. The rest follows with versions of its own, and what is held then is compared. `ops/soak` runs as many as it is asked for and shows the table.

mod kinds;
mod standing;

use std::rc::Rc;
use std::time::{Duration, Instant};

use common::config::Env;
use common::db::versions::DeclaredEnv;
use common::execution::FinalState;
use common::testing::given::Tenant;
use common::testing::wait_until;
use tokio::task::{JoinSet, LocalSet};

use self::kinds::{Ends, KINDS, Kind, MEMORY_MIB, PLAN};
use self::standing::{Compared, Standing, shown};
use crate::rig::{Ask, Outcome, Rig, WorkerProcess};

/// At once: as many as the worker has slots.
const CALLERS: usize = 8;
const READY: usize = 2;
/// Until what was killed at last is buried, and idle threads and connections are gone.
const SETTLING: Duration = Duration::from_secs(60);

#[tokio::test]
async fn many_executions_leave_a_worker_as_it_was() {
    let mut env = Env::process();
    let asked: Option<usize> = env.optional("PATCHBAY_SOAK_EXECUTIONS");
    env.finish().unwrap();
    let all = asked.unwrap_or(240);
    let rig = Rc::new(Rig::new().await);
    let ready = READY.to_string();
    let settings = [
        ("PATCHBAY_GENERIC_POOL", ready.as_str()),
        ("PATCHBAY_MAX_SANDBOXES", "20"),
        ("PATCHBAY_LOG", "info"),
    ];
    let worker = rig.worker(&settings).await;
    let begun = Instant::now();
    // A short one warms up with as many as it runs.
    soaked(&rig, &worker, (all / 10).max(all.min(120))).await;
    let before = Standing::of(&rig, &worker).await;
    soaked(&rig, &worker, all).await;
    let settled = wait_until("nothing has grown", SETTLING, async || {
        let now = Standing::of(&rig, &worker).await;
        if now.grown_since(&before).is_empty() {
            return Ok(now);
        }
        Err((Compared(&before, &now).to_string(), shown(&worker)))
    });
    let after = settled.await;
    let took = begun.elapsed().as_secs();
    println!("\n{all} executions of {} kinds in {took} s\n", KINDS.len());
    println!("{}", Compared(&before, &after));
}

/// Runs so many, and waits until nothing is left of their versions.
async fn soaked(rig: &Rc<Rig>, worker: &WorkerProcess, all: usize) {
    let mut tenants = Vec::new();
    for kind in KINDS {
        let none = DeclaredEnv::default();
        tenants.push(rig.publish(kind.code, &[], &none).await);
    }
    for tenant in &tenants {
        rig.built(tenant, SETTLING).await;
    }
    let tenants = Rc::new(tenants);
    let calling = async {
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let (rig, tenants) = (rig.clone(), tenants.clone());
            callers.spawn_local(async move {
                for place in (caller..all).step_by(CALLERS) {
                    let index = kinds::at(place);
                    call(&rig, &tenants[index], &KINDS[index]).await;
                }
            });
        }
        while let Some(done) = callers.join_next().await {
            done.unwrap();
        }
    };
    LocalSet::new().run_until(calling).await;
    for tenant in tenants.iter() {
        rig.announce_version(tenant).await;
    }
    at_rest(worker).await;
}

async fn call(rig: &Rig, tenant: &Tenant, kind: &Kind) {
    let ask = Ask {
        input: kind.input,
        timeout: kind.timeout,
        plan: PLAN,
        memory_mib: MEMORY_MIB,
        ..Ask::default()
    };
    let id = rig.accept(tenant, &ask).await;
    if kind.ends == Ends::Cancelled {
        rig.running(tenant, id).await;
        rig.cancel(tenant, id).await;
    }
    let outcome = rig.outcome(tenant, id).await;
    assert!(ended_so(&outcome, kind.ends), "{}: {outcome:?}", kind.name);
}

fn ended_so(outcome: &Outcome, ends: Ends) -> bool {
    let code = outcome.error.as_ref().map(|error| error.code);
    match ends {
        Ends::Well => code.is_none(),
        Ends::With(expected) => code == Some(expected),
        Ends::Cancelled => outcome.state() == FinalState::Cancelled,
    }
}

/// No sandbox but the ready ones, and those whole again.
async fn at_rest(worker: &WorkerProcess) {
    let figure = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse::<usize>().ok())
    };
    wait_until("the worker is at rest", SETTLING, async || {
        let text = worker.metrics().await;
        let bound = figure(&text, "patchbay_bound_sandboxes ");
        let ready = figure(&text, "patchbay_generic_sandboxes ");
        let seen = (bound, ready);
        (seen == (Some(0), Some(READY))).then_some(()).ok_or(seen)
    })
    .await;
}
