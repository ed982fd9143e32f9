//! Environment values of one call: in its row while it is open, and no longer.

use bytes::Bytes;
use common::db::{Database, partitions, recovering};
use common::entry::Entry;
use common::execution::FinalState;
use common::ids::ExecutionId;
use common::record::{Accept, AcceptBatcher, Committed};
use common::testing::Role;
use tokio_util::sync::CancellationToken;

use super::given::{Record, outcome};

fn entry(record: &Record) -> Entry {
    Entry {
        env: Some(b"sealed values".to_vec()),
        ..record.tenant.entry()
    }
}

async fn kept(record: &Record, id: ExecutionId) -> (String, Option<Vec<u8>>) {
    let sql = "select state, env from executions where id = $1";
    let owner = record.owner().await;
    let row = owner.query_one(sql, &[&id.uuid()]).await.unwrap();
    (row.get(0), row.get(1))
}

async fn commit(record: &Record, accept: Accept) {
    let commits = Database::single(&record.database.url(Role::Api)).unwrap();
    let batcher = AcceptBatcher::new(commits);
    let stop = CancellationToken::new();
    let asking = async {
        let committed = batcher.permit().unwrap().commit(accept).await.unwrap();
        assert_eq!(committed, Committed::Row);
        stop.cancel();
    };
    tokio::join!(batcher.run(&stop, |_| ()), asking);
}

#[tokio::test]
async fn an_open_row_keeps_them_for_a_recovery_and_its_end_erases_them() {
    let record = Record::fresh().await;
    let ended = record
        .ended_as(None, outcome(FinalState::Failed, b"sealed error"))
        .await;
    let id = ended.id;
    let accept = Accept {
        id,
        generation: record.generation,
        entry: entry(&record),
        key: None,
    };
    commit(&record, accept).await;
    let sealed = Some(b"sealed values".to_vec());
    assert_eq!(kept(&record, id).await, ("queued".to_owned(), sealed));
    let open = recovering::open(&record.owner().await, partitions::FIRST, None, 10).await;
    let open = open.unwrap().pop().unwrap();
    assert_eq!(Entry::decode(&open.entry.encode()), Ok(entry(&record)));

    assert!(record.outbox.end(ended));
    record.recorder.run_once().await.unwrap();
    assert_eq!(kept(&record, id).await, ("failed".to_owned(), None));
}

#[tokio::test]
async fn a_row_that_is_final_from_the_start_never_had_them() {
    let record = Record::fresh().await;
    let mut ended = record.ended(None).await;
    ended.body = Bytes::from(entry(&record).encode());
    let id = ended.id;
    assert!(record.outbox.end(ended));
    record.recorder.run_once().await.unwrap();
    assert_eq!(kept(&record, id).await, ("succeeded".to_owned(), None));
}

#[tokio::test]
async fn whoever_ends_a_row_erases_them() {
    let record = Record::fresh().await;
    let id = record.ended(None).await.id;
    let accept = Accept {
        id,
        generation: record.generation,
        entry: entry(&record),
        key: None,
    };
    commit(&record, accept).await;
    // As a release ends it that doesn't know of them.
    let sql = "update executions set state = 'cancelled', error_code = 'cancelled',
        finished_at = now() where id = $1";
    let owner = record.owner().await;
    owner.execute(sql, &[&id.uuid()]).await.unwrap();
    assert_eq!(kept(&record, id).await, ("cancelled".to_owned(), None));
}
