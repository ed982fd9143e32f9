//! Group commit of asynchronous requests.

use std::time::Duration;

use common::clock::SystemClock;
use common::db::Database;
use common::ids::ExecutionId;
use common::limits;
use common::record::{Accept, AcceptBatcher, AcceptError, Committed};
use common::testing::given;
use common::testing::{self, PrivatePostgres, Role, wait_until};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::given::Record;

const BOUND: Duration = Duration::from_secs(20);

fn accept(record: &Record) -> Accept {
    Accept {
        id: ExecutionId::new(&SystemClock),
        generation: record.generation,
        entry: record.tenant.entry(),
        key: None,
    }
}

fn batcher(record: &Record) -> AcceptBatcher {
    AcceptBatcher::new(Database::single(&record.database.url(Role::Api)).unwrap())
}

#[tokio::test]
async fn one_and_two_hundred_at_once_are_committed_before_they_are_answered() {
    let record = Record::fresh().await;
    let batcher = batcher(&record);
    let stop = CancellationToken::new();
    let mut batches = Vec::new();
    let asking = async {
        let alone = accept(&record);
        let id = alone.id;
        let committed = batcher.permit().unwrap().commit(alone).await.unwrap();
        assert_eq!(committed, Committed::Row);
        assert_eq!(record.row(id).await.unwrap().state, "queued");
        let all: Vec<_> = (0..200).map(|_| accept(&record)).collect();
        let answers = join_all(
            all.iter()
                .map(|one| batcher.permit().unwrap().commit(one.clone())),
        )
        .await;
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Ok(Committed::Row)))
        );
        for one in &all {
            assert_eq!(record.row(one.id).await.unwrap().state, "queued");
        }
        stop.cancel();
    };
    tokio::join!(batcher.run(&stop, |count| batches.push(count)), asking);
    assert_eq!(record.charged().await, 201);
    assert!(batches.len() < 20, "not one commit each: {batches:?}");
}

#[tokio::test]
async fn a_generation_that_is_gone_is_refused_and_others_in_the_batch_are_not() {
    let record = Record::fresh().await;
    let batcher = batcher(&record);
    let stop = CancellationToken::new();
    let asking = async {
        let good = accept(&record);
        let mut late = accept(&record);
        late.generation += 1;
        let id = late.id;
        let (good, late) = tokio::join!(
            batcher.permit().unwrap().commit(good),
            batcher.permit().unwrap().commit(late),
        );
        assert_eq!(good.unwrap(), Committed::Row);
        assert!(matches!(late, Err(AcceptError::Refused)), "{late:?}");
        assert_eq!(record.row(id).await, None);
        stop.cancel();
    };
    tokio::join!(biased; asking, batcher.run(&stop, |_| ()));
    assert_eq!(record.charged().await, 1);
}

#[tokio::test]
async fn more_than_may_wait_are_turned_away() {
    let record = Record::fresh().await;
    let batcher = batcher(&record);
    let permits: Vec<_> = (0..limits::ACCEPT_WAITING)
        .map(|_| batcher.permit().unwrap())
        .collect();
    assert!(matches!(batcher.permit(), Err(AcceptError::Crowded)));
    drop(permits);
    assert!(batcher.permit().is_ok());
}

#[tokio::test]
async fn a_crash_in_a_batch_is_unavailable_until_postgresql_is_back() {
    let mut postgres = PrivatePostgres::start().await;
    let database = testing::database_on(&postgres.url()).await;
    let queue = testing::queue(&database).await;
    let tenant = given::tenant(&database).await;
    let generation = queue.link().await.generation();
    let new = || Accept {
        id: ExecutionId::new(&SystemClock),
        generation,
        entry: tenant.entry(),
        key: None,
    };
    let batcher = AcceptBatcher::new(Database::single(&database.url(Role::Api)).unwrap());
    let stop = CancellationToken::new();
    let asking = async {
        let warm = batcher.permit().unwrap().commit(new()).await;
        assert_eq!(warm.unwrap(), Committed::Row);
        // The batch waits behind a closed door when the server dies.
        let owner = database.connect(Role::Owner).client().await.unwrap();
        owner
            .batch_execute("begin; select pg_advisory_xact_lock(7304, 0)")
            .await
            .unwrap();
        let watching = database.connect(Role::Owner).client().await.unwrap();
        let crash = async {
            wait_until("the batch waits", BOUND, async || {
                let sql = "select count(*) from pg_locks where not granted";
                let row = watching.query_one(sql, &[]).await.unwrap();
                match row.get::<_, i64>(0) {
                    0 => Err("nobody waits"),
                    _ => Ok(()),
                }
            })
            .await;
            postgres.crash();
        };
        let (cut, ()) = tokio::join!(batcher.permit().unwrap().commit(new()), crash);
        assert!(matches!(cut, Err(AcceptError::Unavailable)), "{cut:?}");
        let refused = batcher.permit();
        assert!(
            matches!(refused, Err(AcceptError::Unavailable)),
            "{refused:?}"
        );
        postgres.restart().await;
        let permit = wait_until("it is known to be back", BOUND, async || batcher.permit()).await;
        assert_eq!(permit.commit(new()).await.unwrap(), Committed::Row);
        stop.cancel();
    };
    tokio::join!(batcher.run(&stop, |_| ()), asking);
}
