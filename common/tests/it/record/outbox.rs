//! What waits for PostgreSQL, and its bounds.

use std::time::Duration;

use common::limits;
use common::record::{Outbox, Recorded, Recorder};
use common::testing::given;
use common::testing::{self, PrivatePostgres, Role, wait_until};
use tokio_util::sync::CancellationToken;

use super::given::Record;

const BOUND: Duration = Duration::from_secs(20);

#[tokio::test]
async fn it_takes_as_many_as_its_bound_and_none_more() {
    let record = Record::fresh().await;
    let mut ended = record.ended(None).await;
    ended.body = bytes::Bytes::new();
    let outbox = Outbox::new();
    for at in 0..limits::OUTBOX_ITEMS {
        assert!(outbox.end(ended.clone()), "item {at}");
    }
    assert!(!outbox.end(ended));
    assert_eq!(outbox.len(), limits::OUTBOX_ITEMS);
}

#[tokio::test]
async fn it_takes_as_many_bytes_as_its_bound_and_none_more() {
    let record = Record::fresh().await;
    let mut ended = record.ended(None).await;
    ended.outcome.output = Some(vec![0; limits::OUTPUT_BYTES]);
    let outbox = Outbox::new();
    let mut taken = 0;
    while outbox.end(ended.clone()) {
        taken += 1;
    }
    let most = limits::OUTBOX_BYTES / limits::OUTPUT_BYTES;
    assert!((most - 1..=most).contains(&taken), "{taken}");
    assert_eq!(outbox.end_now(ended).await, None, "it says so at once");
}

#[tokio::test]
async fn the_recorder_writes_what_comes_and_what_is_left_at_its_stop() {
    let record = Record::fresh().await;
    let first = record.ended(None).await;
    let second = record.ended(None).await;
    let stop = CancellationToken::new();
    let ids = (first.id, second.id);
    let outbox = record.outbox.clone();
    let ending = async {
        assert_eq!(outbox.end_now(first).await, Some(Recorded::Committed));
        assert!(outbox.end(second));
        stop.cancel();
    };
    tokio::join!(record.recorder.run(&stop, |_| ()), ending);
    for id in [ids.0, ids.1] {
        assert_eq!(record.row(id).await.unwrap().state, "succeeded");
    }
    assert!(record.outbox.is_empty());
    record.outbox.drained().await;
}

#[tokio::test]
async fn what_postgresql_did_not_take_waits_and_is_written_when_it_is_back() {
    let mut postgres = PrivatePostgres::start().await;
    let database = testing::database_on(&postgres.url()).await;
    let queue = testing::queue(&database).await;
    let tenant = given::tenant(&database).await;
    let worker = database.connect(Role::Worker);
    let outbox = Outbox::new();
    let record = Record {
        recorder: Recorder::new(worker.clone(), queue.links.clone(), outbox.clone()),
        generation: queue.link().await.generation(),
        database,
        queue,
        tenant,
        worker,
        outbox,
    };
    let (first, second) = (record.ended(None).await, record.ended(None).await);
    // Warm: the connection that the crash cuts.
    assert!(record.outbox.end(first));
    record.recorder.run_once().await.unwrap();
    postgres.crash();
    assert!(record.outbox.end(second.clone()));
    let stop = CancellationToken::new();
    let away = async {
        let refused = record.recorder.run_once().await;
        assert!(refused.is_err_and(|error| error.is_unavailable()));
        assert_eq!(record.outbox.len(), 1);
        postgres.restart().await;
        wait_until("the outbox is empty", BOUND, async || {
            match record.outbox.len() {
                0 => Ok(()),
                held => Err(held),
            }
        })
        .await;
        stop.cancel();
    };
    tokio::join!(biased; away, async {
        wait_until("it is back", BOUND, async || record.worker.ping().await).await;
        record.recorder.run(&stop, |_| ()).await;
    });
    assert_eq!(record.row(second.id).await.unwrap().state, "succeeded");
    assert_eq!(record.charged().await, 2);
    assert_eq!(record.events().await, 0);
}
