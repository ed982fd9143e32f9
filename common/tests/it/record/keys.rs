//! One execution per key, also where Redis forgot.

use common::clock::ManualClock;
use common::db::idempotency;
use common::ids::ExecutionId;
use common::record::{Accept, AcceptBatcher, AcceptError, Committed};
use common::testing::Role;
use jiff::ToSpan as _;
use tokio_util::sync::CancellationToken;

use super::given::{Record, key};

async fn commit(record: &Record, accept: Accept) -> Result<Committed, AcceptError> {
    let api = common::db::Database::single(&record.database.url(Role::Api)).unwrap();
    let batcher = AcceptBatcher::new(api);
    let stop = CancellationToken::new();
    let committing = async {
        let committed = batcher.permit().unwrap().commit(accept).await;
        stop.cancel();
        committed
    };
    tokio::join!(batcher.run(&stop, |_| ()), committing).1
}

fn accept(record: &Record, at: &str) -> Accept {
    Accept {
        id: ExecutionId::new(&ManualClock::at(at)),
        generation: record.generation,
        entry: record.tenant.entry(),
        key: Some(key(1, 1)),
    }
}

#[tokio::test]
async fn the_recorder_writes_the_key_of_a_synchronous_request() {
    let record = Record::fresh().await;
    let ended = record.ended(Some(key(1, 2))).await;
    assert_eq!(ended.key, Some(key(1, 2)));
    assert!(record.outbox.end(ended.clone()));
    record.recorder.run_once().await.unwrap();
    let client = record.database.connect(Role::Api).client().await.unwrap();
    let find = async |at| {
        idempotency::find(&client, record.tenant.account, [1; 32], at)
            .await
            .unwrap()
    };
    let known = find(ended.id.at()).await.unwrap();
    assert_eq!((known.execution, known.digest), (ended.id, [2; 32]));
    let day = ended.id.at() + 24.hours();
    assert!(find(day - 1.millisecond()).await.is_some());
    assert!(find(day).await.is_none(), "free again after 24 hours");
    let foreign = common::ids::AccountId::new(&common::clock::SystemClock);
    let theirs = idempotency::find(&client, foreign, [1; 32], ended.id.at()).await;
    assert_eq!(theirs.unwrap(), None);
}

#[tokio::test]
async fn a_key_that_stands_for_another_execution_answers_that_one() {
    let record = Record::fresh().await;
    let first = accept(&record, "2026-03-01T12:00:00Z");
    let second = accept(&record, "2026-03-02T11:59:59.999Z");
    let ids = (first.id, second.id);
    assert_eq!(
        commit(&record, first.clone()).await.unwrap(),
        Committed::Row
    );
    assert_eq!(
        commit(&record, first).await.unwrap(),
        Committed::Row,
        "a replay"
    );
    let other = commit(&record, second).await.unwrap();
    assert_eq!(other, Committed::Other(ids.0));
    // It was accepted by the queue and may run: it has its row.
    assert_eq!(record.row(ids.1).await.unwrap().state, "queued");
    assert_eq!(record.charged().await, 2);
}

#[tokio::test]
async fn a_key_is_free_again_after_a_day_across_midnights() {
    let record = Record::fresh().await;
    let first = accept(&record, "2026-03-01T12:00:00Z");
    let second = accept(&record, "2026-03-02T12:00:00Z");
    assert_eq!(commit(&record, first).await.unwrap(), Committed::Row);
    assert_eq!(
        commit(&record, second.clone()).await.unwrap(),
        Committed::Row
    );
    let client = record.database.connect(Role::Api).client().await.unwrap();
    let account = record.tenant.account;
    let known = idempotency::find(&client, account, [1; 32], second.id.at()).await;
    assert_eq!(known.unwrap().unwrap().execution, second.id);
}

#[tokio::test]
async fn one_batch_with_one_key_twice_is_written() {
    let record = Record::fresh().await;
    let api = common::db::Database::single(&record.database.url(Role::Api)).unwrap();
    let batcher = AcceptBatcher::new(api);
    let one = accept(&record, "2026-03-01T12:00:00Z");
    let two = accept(&record, "2026-03-01T12:00:01Z");
    let ids = (one.id, two.id);
    let stop = CancellationToken::new();
    let both = async {
        let (one, two) = (
            batcher.permit().unwrap().commit(one),
            batcher.permit().unwrap().commit(two),
        );
        let both = tokio::join!(one, two);
        stop.cancel();
        both
    };
    // Both wait before the first batch is taken.
    let (one, two) = tokio::join!(biased; both, batcher.run(&stop, |_| ())).0;
    assert_eq!(one.unwrap(), Committed::Row);
    assert_eq!(two.unwrap(), Committed::Other(ids.0));
}
