//! What is never started twice.

use common::clock::{Clock as _, SystemClock};
use common::ids::ExecutionId;
use common::record::{self, OnceStart, WriteError};
use common::testing::Role;

use super::given::{Record, key};

#[tokio::test]
async fn it_is_granted_one_start_however_many_ask() {
    let record = Record::fresh().await;
    let id = ExecutionId::new(&SystemClock);
    let entry = record.tenant.entry();
    let ask = async || {
        let mut client = record.worker.client().await.unwrap();
        let what = (id, &entry, None);
        record::start_once(&mut client, record.generation, what, SystemClock.now())
            .await
            .unwrap()
    };
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    let granted = [one, two, three]
        .into_iter()
        .filter(|start| *start == OnceStart::Granted);
    assert_eq!(granted.count(), 1);
    let row = record.row(id).await.unwrap();
    assert_eq!((row.state.as_str(), row.attempt), ("running", 1));
    assert_eq!(record.charged().await, 1);
}

#[tokio::test]
async fn it_is_refused_once_it_ended_or_is_to_be_cancelled_or_behind_the_door() {
    let record = Record::fresh().await;
    let entry = record.tenant.entry();
    let ended = record.ended(Some(key(1, 1))).await;
    assert!(record.outbox.end(ended.clone()));
    record.recorder.run_once().await.unwrap();
    let mut client = record.worker.client().await.unwrap();
    let now = SystemClock.now();
    let mut start = async |id, generation| {
        record::start_once(&mut client, generation, (id, &entry, None), now).await
    };
    let refused = start(ended.id, record.generation).await.unwrap();
    assert_eq!(refused, OnceStart::Refused, "it has ended");
    let fresh = ExecutionId::new(&SystemClock);
    let late = start(fresh, record.generation + 1).await;
    assert!(matches!(late, Err(WriteError::Refused(_))), "{late:?}");
    assert_eq!(record.row(fresh).await, None);
    let api = record.database.connect(Role::Api);
    let mut api = api.client().await.unwrap();
    record::request_cancel(&mut api, record.generation, fresh, &entry)
        .await
        .unwrap();
    let refused = start(fresh, record.generation).await.unwrap();
    assert_eq!(refused, OnceStart::Refused, "it is to be cancelled");
}
