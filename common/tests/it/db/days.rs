//! The day partitions, with a clock that is moved.

use common::clock::ManualClock;
use common::db::{Client, days};
use common::ids::ExecutionId;
use common::testing::{self, Role};
use jiff::{Timestamp, ToSpan as _};

const NOW: &str = "2030-03-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

async fn partitions(owner: &Client) -> Vec<String> {
    let sql = "select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'executions'::regclass and c.relname like 'executions_20__%'
            and c.relname >= 'executions_2030' order by 1";
    let rows = owner.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn insert(client: &Client, id: ExecutionId) -> String {
    let sql = "insert into executions (id, day, partition, account_id, namespace_id, function_id,
            version_id, state, trigger, plan, once, timeout_ms, memory_mib, created_at)
        values ($1, $2, 0, $1, $1, $1, $1, 'queued', 'rest', 'local', false, 1, 1, $3)
        returning tableoid::regclass::text";
    let row = client
        .query_one(sql, &[&id.uuid(), &id.day(), &id.at()])
        .await
        .unwrap();
    row.get(0)
}

#[tokio::test]
async fn the_coming_days_are_made_once_by_the_schedulers_role() {
    let database = testing::database().await;
    let scheduler = database.connect(Role::Scheduler);
    let (one, two) = (
        scheduler.client().await.unwrap(),
        scheduler.client().await.unwrap(),
    );
    // Two schedulers at once, as while the lead changes.
    let made = tokio::join!(
        days::make_coming(&one, now()),
        days::make_coming(&two, now())
    );
    assert_eq!(made.0.unwrap() + made.1.unwrap(), 5);
    assert_eq!(days::make_coming(&one, now()).await.unwrap(), 0);
    let owner = database.connect(Role::Owner).client().await.unwrap();
    let days: Vec<_> = ["20300228", "20300301", "20300302", "20300303", "20300304"]
        .iter()
        .map(|day| format!("executions_{day}"))
        .collect();
    assert_eq!(partitions(&owner).await, days);
}

#[tokio::test]
async fn ninety_days_are_kept_and_the_ninety_first_is_dropped() {
    let database = testing::database().await;
    let client = database.connect(Role::Scheduler).client().await.unwrap();
    days::make_coming(&client, now()).await.unwrap();
    let owner = database.connect(Role::Owner).client().await.unwrap();
    let old = ExecutionId::new(&ManualClock::at("2029-12-31T00:00:00Z"));
    assert_eq!(insert(&owner, old).await, "executions_rest");
    // 2030-02-28 is the 90th day before this one.
    let later: Timestamp = "2030-05-29T23:59:59.999Z".parse().unwrap();
    // The days of today's real time are long past as well.
    days::drop_old(&client, later).await.unwrap();
    assert_eq!(partitions(&owner).await.len(), 5);
    let dropped = days::drop_old(&client, later + 1.millisecond())
        .await
        .unwrap();
    assert_eq!(dropped, 1);
    assert_eq!(partitions(&owner).await[0], "executions_20300301");
    let rest = "select count(*) from executions_rest";
    let rest: i64 = owner.query_one(rest, &[]).await.unwrap().get(0);
    assert_eq!(rest, 0, "what had no partition of its own goes too");
}

#[tokio::test]
async fn what_came_before_its_partition_was_made_moves_into_it() {
    let database = testing::database().await;
    let owner = database.connect(Role::Owner).client().await.unwrap();
    let id = ExecutionId::new(&ManualClock::at(NOW));
    assert_eq!(insert(&owner, id).await, "executions_rest");
    let client = database.connect(Role::Scheduler).client().await.unwrap();
    assert_eq!(days::make_coming(&client, now()).await.unwrap(), 5);
    let sql = "select tableoid::regclass::text from executions where id = $1";
    let found: String = owner.query_one(sql, &[&id.uuid()]).await.unwrap().get(0);
    assert_eq!(found, "executions_20300301");
}

#[tokio::test]
async fn a_day_is_utcs_whatever_the_servers_zone() {
    let database = testing::database().await;
    let owner = database.connect(Role::Owner).client().await.unwrap();
    owner
        .batch_execute("set timezone = 'Europe/Berlin'")
        .await
        .unwrap();
    let scheduler = database.connect(Role::Scheduler).client().await.unwrap();
    scheduler
        .batch_execute("set timezone = 'Pacific/Auckland'")
        .await
        .unwrap();
    days::make_coming(&scheduler, now()).await.unwrap();
    for (at, partition) in [
        ("2030-03-01T23:30:00Z", "executions_20300301"),
        ("2030-03-02T00:00:00Z", "executions_20300302"),
        ("2030-03-01T00:00:00Z", "executions_20300301"),
    ] {
        let id = ExecutionId::new(&ManualClock::at(at));
        assert_eq!(insert(&owner, id).await, partition, "{at}");
    }
}

#[tokio::test]
async fn a_partition_has_the_parents_checks_and_indexes() {
    let database = testing::database().await;
    let client = database.connect(Role::Scheduler).client().await.unwrap();
    days::make_coming(&client, now()).await.unwrap();
    let owner = database.connect(Role::Owner).client().await.unwrap();
    let counts = |table: &str| {
        format!(
            "select (select count(*) from pg_index where indrelid = '{table}'::regclass),
                (select count(*) from pg_constraint
                    where conrelid = '{table}'::regclass and contype = 'c')"
        )
    };
    let count = async |table| {
        let row = owner.query_one(&counts(table), &[]).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    assert_eq!(
        count("executions").await,
        count("executions_20300301").await
    );
}
