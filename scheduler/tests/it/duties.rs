//! The other duties, with the clock moved.

use std::sync::Arc;
use std::time::Duration;

use common::clock::{Clock as _, ManualClock, SharedClock, SystemClock};
use common::db::processes::{self, Kind};
use common::ids::ProcessId;
use common::limits::{EXECUTION_DAYS, PROMOTE_AT_ONCE};
use common::metrics::{SchedulerMetrics, registry};
use common::queue::StreamKind;
use common::testing::{Role, TestDatabase, database};
use jiff::{Timestamp, ToSpan as _};
use scheduler::duty::drop_processes::FORGOTTEN_AFTER;
use scheduler::duty::{
    DropPartitions, DropProcesses, Duty as _, DutyError, MakePartitions, PromoteDelayed, Purge,
    Report,
};
use tokio::sync::Notify;

use crate::stage::Stage;

async fn partitions(database: &TestDatabase) -> Vec<String> {
    let owner = database.connect(Role::Owner).client().await.unwrap();
    let sql = "select relname::text from pg_class where relkind = 'r'
        and relname ~ '^executions_[0-9]+$' order by relname";
    let rows = owner.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn metrics() -> Arc<SchedulerMetrics> {
    Arc::new(SchedulerMetrics::register(&registry().unwrap()).unwrap())
}

fn day(at: Timestamp) -> String {
    at.strftime("executions_%Y%m%d").to_string()
}

#[tokio::test]
async fn partitions_come_three_days_ahead_and_go_after_ninety() {
    let database = database().await;
    let make = MakePartitions::new(database.connect(Role::Scheduler));
    let drop = DropPartitions::new(database.connect(Role::Scheduler), metrics());
    let start = SystemClock.now();
    make.run_once(start).await.unwrap();
    let first = partitions(&database).await;
    for ahead in -1..=3_i64 {
        assert!(
            first.contains(&day(start + (24 * ahead).hours())),
            "{first:?}"
        );
    }
    assert_eq!(
        make.run_once(start).await.unwrap(),
        Report::default(),
        "idempotent"
    );

    let later = start + 24.hours();
    assert_eq!(make.run_once(later).await.unwrap(), Report::of(1));
    assert!(
        partitions(&database)
            .await
            .contains(&day(start + 96.hours()))
    );

    // The very day is kept to its end, and the one before it goes.
    let last_day = start + (24 * EXECUTION_DAYS).hours();
    let client = database.connect(Role::Scheduler).client().await.unwrap();
    let drop = async |at| drop.drop_past(&client, at).await.unwrap();
    assert_eq!(drop(last_day).await, Report::of(1));
    let left = partitions(&database).await;
    assert!(!left.contains(&day(start - 24.hours())), "{left:?}");
    assert!(left.contains(&day(start)), "{left:?}");
    assert_eq!(drop(last_day).await, Report::default(), "idempotent");
    assert_eq!(drop(last_day + 24.hours()).await, Report::of(1));
    assert!(!partitions(&database).await.contains(&day(start)));
}

#[tokio::test]
async fn nothing_is_deleted_while_the_clock_differs_from_postgresqls() {
    let database = database().await;
    let make = MakePartitions::new(database.connect(Role::Scheduler));
    let drop = DropPartitions::new(database.connect(Role::Scheduler), metrics());
    let purge = Purge::new(database.connect(Role::Scheduler));
    let now = SystemClock.now();
    make.run_once(now).await.unwrap();
    let before = partitions(&database).await;
    for wrong in [now + (24 * 365).hours(), now - 1.hour()] {
        let refused = [drop.run_once(wrong).await, purge.run_once(wrong).await];
        for refused in refused {
            assert!(
                matches!(refused, Err(DutyError::Clocks { .. })),
                "{refused:?}"
            );
        }
    }
    assert_eq!(partitions(&database).await, before);
    assert_eq!(drop.run_once(now).await.unwrap(), Report::default());
}

#[tokio::test]
async fn a_key_is_kept_for_its_day_and_purged_after_it() {
    let database = database().await;
    let owner = database.connect(Role::Owner).client().await.unwrap();
    let now = SystemClock.now();
    let add = "insert into idempotency_keys
        (account_id, key_hash, execution_id, day, body_digest, expires_at)
        select gen_random_uuid(), sha256(n::text::bytea), gen_random_uuid(), current_date,
            sha256('x'), $1 from generate_series(1, 1500) as n";
    owner.execute(add, &[&now]).await.unwrap();
    let purge = Purge::new(database.connect(Role::Scheduler));
    let early = purge.run_once(now - 1.second()).await.unwrap();
    assert_eq!(early, Report::default());
    let first = purge.run_once(now + 1.second()).await.unwrap();
    assert_eq!((first.done, first.more), (1_000, true));
    let second = purge.run_once(now + 1.second()).await.unwrap();
    assert_eq!((second.done, second.more), (500, false));
}

#[tokio::test]
async fn a_dead_process_is_forgotten_and_a_live_one_is_not() {
    let stage = Stage::certified().await;
    let clock = Arc::new(ManualClock::at("2026-03-01T00:00:00Z"));
    let shared: SharedClock = Arc::clone(&clock) as SharedClock;
    let database = stage.database.connect(Role::Scheduler);
    let client = database.client().await.unwrap();
    let (dead, alive) = (ProcessId::new(&SystemClock), ProcessId::new(&SystemClock));
    processes::beat(&client, dead, Kind::Worker, 0)
        .await
        .unwrap();
    // It holds a lease: whoever takes it over needs to see whose it was.
    stage.call().await;
    stage.take(StreamKind::Interactive, &dead.to_string()).await;
    let duty = DropProcesses::new(database.clone(), stage.links(), shared);
    let look = async || {
        processes::beat(&client, alive, Kind::Api, 0).await.unwrap();
        let report = duty.run_once(clock.now()).await.unwrap();
        clock.advance(Duration::from_millis(500));
        report.done
    };
    let mut waited = Duration::ZERO;
    while waited <= FORGOTTEN_AFTER * 2 {
        assert_eq!(look().await, 0, "its lease is left, after {waited:?}");
        waited += Duration::from_millis(500);
    }
    let (reclaimed, _) = lose_to(&stage, &dead.to_string()).await;
    assert_eq!(reclaimed, 1);
    assert_eq!(look().await, 1);
    let left = processes::list(&client).await.unwrap();
    assert_eq!(left.iter().map(|row| row.id).collect::<Vec<_>>(), [alive]);
}

/// Another worker takes over what a consumer held.
async fn lose_to(stage: &Stage, consumer: &str) -> (usize, usize) {
    let entries: Vec<(String, String, u64, u64)> = stage
        .raw(&format!("XPENDING %q:i w - + 10 {consumer}"))
        .await;
    for (entry, ..) in entries {
        let _: redis::Value = stage
            .raw(&format!(
                "XCLAIM %q:i w {consumer} 0 {entry} IDLE 2001 JUSTID"
            ))
            .await;
    }
    let link = stage.link().await;
    let (reclaimed, damaged) = common::queue::reclaim(&link, "w2", 16, common::queue::Alone::No)
        .await
        .unwrap();
    (reclaimed.len(), damaged.len())
}

#[tokio::test]
async fn nothing_is_promoted_by_a_leader_that_was_succeeded() {
    let stage = Stage::certified().await;
    let closed = Arc::new(Notify::new());
    let newer = PromoteDelayed::new(stage.links(), 8, metrics(), Arc::clone(&closed));
    let older = PromoteDelayed::new(stage.links(), 7, metrics(), Arc::clone(&closed));
    assert_eq!(
        newer.run_once(SystemClock.now()).await.unwrap(),
        Report::default()
    );
    let refused = older.run_once(SystemClock.now()).await;
    assert!(matches!(refused, Err(DutyError::Deposed)));
    // And a recovery of the older one does not begin.
    let _: redis::Value = stage.raw("DEL %gen").await;
    let refused = stage.recover_once().await;
    assert!(matches!(refused, Err(DutyError::Deposed)), "{refused:?}");
}

#[tokio::test]
async fn what_is_due_is_promoted_in_batches_and_a_closed_partition_wakes_the_recovery() {
    let stage = Stage::certified().await;
    // Not due for long: it stays where it is.
    stage.retry_later(Duration::from_secs(3_600)).await;
    for _ in 0..=PROMOTE_AT_ONCE {
        stage.retry_later(Duration::ZERO).await;
    }
    let closed = Arc::new(Notify::new());
    let counts = metrics();
    let duty = PromoteDelayed::new(stage.links(), 1, Arc::clone(&counts), Arc::clone(&closed));
    let now = SystemClock.now();
    let batch = PROMOTE_AT_ONCE as u64;
    let first = duty.run_once(now).await.unwrap();
    assert_eq!((first.done, first.more), (batch, true));
    assert_eq!(duty.run_once(now).await.unwrap(), Report::of(1));
    assert_eq!(duty.run_once(now).await.unwrap(), Report::default());
    assert_eq!(counts.promoted.get(), batch + 1);
    assert_eq!(stage.raw::<u64>("ZCARD %delay").await, 1);
    let _: redis::Value = stage.raw("DEL %gen").await;
    assert_eq!(duty.run_once(now).await.unwrap(), Report::default());
    closed.notified().await;
}
