//! The barrier with live, unwilling and silent processes.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::clock::{Clock as _, SystemClock};
use common::db::processes::{self, Process};
use common::ids::ProcessId;
use common::limits::DEAD_AFTER;
use common::membership::{Kind, Member, Settle};
use common::queue::Standing;
use common::testing::{Role, wait_until};
use scheduler::duty::{DutyError, Report};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::stage::Stage;

const BOUND: Duration = Duration::from_secs(30);

/// What a process does for the barrier: nothing, and says so once it is willing.
#[derive(Debug, Default)]
struct Willing {
    yes: AtomicBool,
    asked: AtomicU64,
    generation: AtomicU64,
}

impl Settle for Willing {
    async fn settle(&self, generation: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if !self.yes.load(Ordering::Relaxed) {
            return Err("the outbox is not empty".into());
        }
        self.generation.store(generation, Ordering::Relaxed);
        Ok(())
    }
}

/// A process that takes part until `stop`.
async fn join(stage: &Stage, tasks: &TaskTracker, stop: &CancellationToken) -> Arc<Willing> {
    let id = ProcessId::new(&SystemClock);
    let database = stage.database.connect(Role::Worker);
    let member = Member::join(database, stage.links(), id, Kind::Worker)
        .await
        .unwrap();
    let (willing, stop) = (Arc::new(Willing::default()), stop.clone());
    let settlement = Arc::clone(&willing);
    tasks.spawn(async move { member.stay(&*settlement, stop).await });
    willing
}

async fn rows(stage: &Stage) -> Vec<Process> {
    let client = stage
        .database
        .connect(Role::Scheduler)
        .client()
        .await
        .unwrap();
    processes::list(&client).await.unwrap()
}

#[tokio::test]
async fn a_recovery_waits_for_every_live_process_to_settle() {
    let stage = Stage::certified().await;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let first = join(&stage, &tasks, &stop).await;
    let second = join(&stage, &tasks, &stop).await;
    let before = stage.generation().await;
    let _: String = stage.raw("FLUSHALL").await;
    first.yes.store(true, Ordering::Relaxed);
    let settling = async {
        wait_until("the second was asked twice", BOUND, async || {
            match second.asked.load(Ordering::Relaxed) {
                2.. => Ok(()),
                asked => Err(asked),
            }
        })
        .await;
        assert_eq!(stage.generation().await, before, "the door is open still");
        assert!(matches!(
            stage.links().hello().await.unwrap().standing,
            Standing::Recovering(Some(_))
        ));
        second.yes.store(true, Ordering::Relaxed);
    };
    let (recovered, ()) = tokio::join!(stage.recover_once(), settling);
    assert_eq!(recovered.unwrap(), Report::of(1));
    let generation = stage.generation().await;
    for member in [&first, &second] {
        assert_eq!(member.generation.load(Ordering::Relaxed), generation);
    }
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    assert_eq!(rows(&stage).await, [], "who leaves takes its row along");
}

#[tokio::test]
async fn a_silent_process_is_waited_for_five_seconds_of_contact_and_no_longer() {
    let stage = Stage::empty().await;
    let client = stage.database.connect(Role::Worker).client().await.unwrap();
    let silent = ProcessId::new(&SystemClock);
    processes::beat(&client, silent, Kind::Worker, 0)
        .await
        .unwrap();
    // Its heartbeat is an hour old: by itself that proves nothing.
    let owner = stage.database.connect(Role::Owner).client().await.unwrap();
    owner
        .execute(
            "update processes set heartbeat_at = now() - interval '1 hour'",
            &[],
        )
        .await
        .unwrap();
    let began = SystemClock.steady();
    stage.recover().await;
    assert!(SystemClock.steady() - began >= DEAD_AFTER);
}

#[tokio::test]
async fn a_process_that_settled_for_an_older_recovery_is_asked_again() {
    let stage = Stage::empty().await;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let member = join(&stage, &tasks, &stop).await;
    member.yes.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        stage.recover().await;
        let generation = stage.generation().await;
        assert_eq!(member.generation.load(Ordering::Relaxed), generation);
        let _: String = stage.raw("FLUSHALL").await;
    }
    stop.cancel();
}

#[tokio::test]
async fn a_row_that_was_removed_comes_back_with_what_it_had_settled() {
    let stage = Stage::empty().await;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let member = join(&stage, &tasks, &stop).await;
    member.yes.store(true, Ordering::Relaxed);
    stage.recover().await;
    let known = rows(&stage).await;
    let client = stage
        .database
        .connect(Role::Scheduler)
        .client()
        .await
        .unwrap();
    processes::leave(&client, known[0].id).await.unwrap();
    let back = wait_until("the row is back", BOUND, async || {
        let rows = rows(&stage).await;
        rows.first().copied().ok_or(rows)
    })
    .await;
    assert_eq!((back.id, back.acked), (known[0].id, known[0].acked));
    stop.cancel();
}

#[tokio::test]
async fn a_redis_emptied_while_the_barrier_waits_ends_that_recovery() {
    let stage = Stage::certified().await;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let member = join(&stage, &tasks, &stop).await;
    let _: String = stage.raw("FLUSHALL").await;
    let emptying = async {
        wait_until("it was asked", BOUND, async || {
            match member.asked.load(Ordering::Relaxed) {
                0 => Err(0),
                _ => Ok(()),
            }
        })
        .await;
        // Nobody can learn of the generation any more.
        let _: String = stage.raw("FLUSHALL").await;
    };
    let recovering = tokio::time::timeout(BOUND, stage.recover_once());
    let (ended, ()) = tokio::join!(recovering, emptying);
    let ended = ended.expect("the barrier waits no longer");
    assert!(matches!(ended, Err(DutyError::Queue { .. })), "{ended:?}");
    member.yes.store(true, Ordering::Relaxed);
    stage.recover().await;
    stop.cancel();
}
