//! Nothing of an older generation gets past the door.

use std::time::Duration;

use common::db::partitions;
use common::record::Recorded;
use common::testing::{Role, wait_until};

use super::given::Record;

const BOUND: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_late_writer_of_an_older_generation_changes_nothing_and_its_event_stays() {
    let record = Record::fresh().await;
    let mut ended = record.ended(None).await;
    record.lose_memory().await;
    // Its event survived, as in a Redis that was only restarted.
    assert_eq!(record.events().await, 1);
    assert!(record.outbox.end(ended.clone()));
    let report = record.recorder.run_once().await.unwrap();
    assert_eq!((report.refused, report.recorded), (1, 0));
    assert!(record.outbox.is_empty());
    assert_eq!(record.row(ended.id).await, None);
    assert_eq!(record.charged().await, 0);
    assert_eq!(record.events().await, 1);
    // Nor does one of a generation that is not there yet.
    ended.generation = 1_000;
    assert!(record.outbox.end(ended));
    assert_eq!(record.recorder.run_once().await.unwrap().refused, 1);
}

#[tokio::test]
async fn a_writer_that_waited_for_the_door_reads_what_was_committed_meanwhile() {
    let record = Record::fresh().await;
    let ended = record.ended(None).await;
    let scheduler = record.database.connect(Role::Scheduler);
    let mut client = scheduler.client().await.unwrap();
    // The recovery holds the door closed and has not committed.
    let recovery = client.transaction().await.unwrap();
    let now = "2026-03-01T00:00:00Z".parse().unwrap();
    let next = record.generation + 1;
    assert!(
        partitions::change_generation(&recovery, partitions::FIRST, next, now)
            .await
            .unwrap()
    );
    let id = ended.id;
    let (outbox, recorder) = (record.outbox.clone(), &record.recorder);
    assert!(outbox.end(ended));
    let watching = record.database.connect(Role::Owner);
    let commit = async {
        wait_until("the writer waits for the lock", BOUND, async || {
            waiting_for_a_lock(&watching.client().await.unwrap()).await
        })
        .await;
        recovery.commit().await.unwrap();
    };
    let (report, ()) = tokio::join!(recorder.run_once(), commit);
    assert_eq!(report.unwrap().refused, 1);
    assert_eq!(record.row(id).await, None);
}

#[tokio::test]
async fn a_recovery_waits_for_writers_that_are_inside() {
    let record = Record::fresh().await;
    let mut client = record.worker.client().await.unwrap();
    let inside = client.transaction().await.unwrap();
    let generation = i64::try_from(record.generation).unwrap();
    inside
        .query_one("select enter_door(0::smallint, $1)", &[&generation])
        .await
        .unwrap();
    let scheduler = record.database.connect(Role::Scheduler);
    let closing = async {
        let client = scheduler.client().await.unwrap();
        let now = "2026-03-01T00:00:00Z".parse().unwrap();
        partitions::change_generation(&client, partitions::FIRST, record.generation + 1, now).await
    };
    let watching = record.database.connect(Role::Owner);
    let leaving = async {
        let client = watching.client().await.unwrap();
        wait_until("the recovery waits", BOUND, async || {
            waiting_for_a_lock(&client).await
        })
        .await;
        let worker = record.worker.client().await.unwrap();
        let seen = partitions::generation(&worker, partitions::FIRST).await;
        inside.commit().await.unwrap();
        seen.unwrap()
    };
    let (changed, seen) = tokio::join!(closing, leaving);
    assert!(changed.unwrap());
    assert_eq!(seen, record.generation, "changed while a writer was inside");
}

#[tokio::test]
async fn a_generation_goes_only_upwards() {
    let record = Record::fresh().await;
    let client = record.database.connect(Role::Scheduler);
    let client = client.client().await.unwrap();
    let now = "2026-03-01T00:00:00Z".parse().unwrap();
    let change = async |next| {
        partitions::change_generation(&client, partitions::FIRST, next, now)
            .await
            .unwrap()
    };
    assert!(!change(record.generation).await);
    assert!(!change(record.generation - 1).await);
    assert!(change(record.generation + 5).await);
    let next = partitions::next_generation(&client).await.unwrap();
    assert!(next > record.generation);
}

#[tokio::test]
async fn who_waits_for_a_commit_hears_that_it_was_refused() {
    let record = Record::fresh().await;
    let ended = record.ended(None).await;
    record.lose_memory().await;
    let (recorded, report) = tokio::join!(record.outbox.end_now(ended), async {
        wait_until("it is in the outbox", BOUND, async || {
            (!record.outbox.is_empty()).then_some(()).ok_or(())
        })
        .await;
        record.recorder.run_once().await
    });
    assert_eq!(recorded, Some(Recorded::Refused));
    assert_eq!(report.unwrap().refused, 1);
}

/// Whether some session of this database waits for an advisory lock.
async fn waiting_for_a_lock(client: &common::db::Client) -> Result<(), i64> {
    let row = client
        .query_one(
            "select count(*) from pg_locks l join pg_database d on d.oid = l.database
            where d.datname = current_database() and l.locktype = 'advisory' and not l.granted",
            &[],
        )
        .await
        .unwrap();
    match row.get::<_, i64>(0) {
        0 => Err(0),
        _ => Ok(()),
    }
}
