//! What nobody recorded is found among the events.

use std::time::Duration;

use common::execution::FinalState;
use common::queue::{self, Watched};
use common::record::{self, SweepError, WriteError};
use common::testing::Role;

use super::given::{Record, key, succeeded};

#[tokio::test]
async fn outcomes_of_a_dead_worker_are_recorded_with_row_key_and_charge() {
    let record = Record::fresh().await;
    let ended = record.ended(Some(key(4, 4))).await;
    let link = record.queue.link().await;
    let sweep = async |age| {
        record::sweep(&record.worker, &link, record.generation, age)
            .await
            .unwrap()
    };
    let early = sweep(Duration::from_secs(60)).await;
    assert_eq!((early.recorded, early.more), (0, false), "it is too young");
    let swept = sweep(Duration::ZERO).await;
    assert_eq!((swept.recorded, swept.ended), (1, 1));
    let row = record.row(ended.id).await.unwrap();
    assert_eq!(row.state, "succeeded");
    assert_eq!(row.input.as_deref(), Some(b"sealed input".as_slice()));
    let client = record.database.connect(Role::Api).client().await.unwrap();
    let account = record.tenant.account;
    let known = common::db::idempotency::find(&client, account, [4; 32], ended.id.at()).await;
    assert_eq!(known.unwrap().unwrap().execution, ended.id);
    assert_eq!((record.charged().await, record.events().await), (1, 0));
    // Its own outbox comes late: nothing changes.
    assert!(record.outbox.end(ended));
    assert_eq!(record.recorder.run_once().await.unwrap().ended, 0);
    assert_eq!(record.charged().await, 1);
}

#[tokio::test]
async fn two_sweeps_at_once_record_everything_once() {
    let record = Record::fresh().await;
    for _ in 0..30 {
        record.ended(None).await;
    }
    let link = record.queue.link().await;
    let sweep = || record::sweep(&record.worker, &link, record.generation, Duration::ZERO);
    let (one, two) = tokio::join!(sweep(), sweep());
    assert_eq!(one.unwrap().ended + two.unwrap().ended, 30);
    assert_eq!((record.charged().await, record.events().await), (30, 0));
}

#[tokio::test]
async fn a_sweep_behind_the_door_leaves_the_events() {
    let record = Record::fresh().await;
    record.ended(None).await;
    let link = record.queue.link().await;
    let swept = record::sweep(&record.worker, &link, 99, Duration::ZERO).await;
    assert!(
        matches!(swept, Err(SweepError::Write(WriteError::Refused(99)))),
        "{swept:?}"
    );
    assert_eq!(record.events().await, 1);
}

#[tokio::test]
async fn an_unfit_event_is_set_aside_and_those_behind_it_are_recorded() {
    let record = Record::fresh().await;
    let mut outcome = succeeded();
    // No such row may exist: failed without a code.
    outcome.ending.state = FinalState::Failed;
    let unfit = record.ended_as(None, outcome.clone()).await;
    let good = record.ended(None).await;
    let link = record.queue.link().await;
    let swept = record::sweep(&record.worker, &link, record.generation, Duration::ZERO).await;
    let swept = swept.unwrap();
    assert_eq!((swept.recorded, swept.ended, swept.damaged), (1, 1, 1));
    assert_eq!(record.row(good.id).await.unwrap().state, "succeeded");
    assert_eq!(record.row(unfit.id).await, None);
    assert_eq!(record.events().await, 0, "none is met again");
    // Redis still knows how it ended.
    let account = record.tenant.account;
    let watched = queue::watch(&link, account, unfit.id, None).await.unwrap();
    assert!(
        matches!(&watched, Watched::Final { outcome: kept, .. } if *kept == outcome),
        "{watched:?}"
    );
}

#[tokio::test]
async fn an_unfit_end_does_not_keep_a_recovery_from_the_others() {
    let record = Record::fresh().await;
    let (one, other) = (record.leased(None).await, record.leased(None).await);
    let client = record.worker.client().await.unwrap();
    let mut api = record.database.connect(Role::Api).client().await.unwrap();
    for leased in [&one, &other] {
        let entry = record.tenant.entry();
        record::request_cancel(&mut api, record.generation, leased.id, &entry)
            .await
            .unwrap();
    }
    let mut unfit = succeeded();
    unfit.ending.state = FinalState::Failed;
    let ends = [(one.id, unfit), (other.id, succeeded())];
    let ended = record::end_settled(&client, record.generation, &ends).await;
    assert_eq!(ended.unwrap(), 1);
    assert_eq!(record.row(one.id).await.unwrap().state, "queued");
    assert_eq!(record.row(other.id).await.unwrap().state, "succeeded");
}
