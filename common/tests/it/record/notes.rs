//! What an open row learns on the way, and what it is never told any more.

use common::queue::{self, Finish, Finished};
use common::record::{self, Note, Noted, Requested};
use common::testing::Role;
use jiff::Timestamp;

use super::given::{Record, body, outcome, succeeded};
use common::execution::FinalState;

fn started(attempt: u32, tried: u32, losses: u32) -> Note {
    Note::Started {
        attempt,
        tried,
        losses,
        at: Timestamp::UNIX_EPOCH,
    }
}

#[tokio::test]
async fn a_long_run_is_known_as_running_and_charged() {
    let record = Record::fresh().await;
    let leased = record.leased(None).await;
    let noted = Noted {
        id: leased.id,
        event: None,
        generation: record.generation,
        body: body(&record.tenant),
        note: started(1, 0, 0),
    };
    assert!(record.outbox.note(noted));
    record.recorder.run_once().await.unwrap();
    let row = record.row(leased.id).await.unwrap();
    assert_eq!((row.state.as_str(), row.attempt), ("running", 1));
    assert_eq!(row.started_at, Some(Timestamp::UNIX_EPOCH));
    assert_eq!(record.charged().await, 1);
}

#[tokio::test]
async fn a_failed_try_is_known_with_its_due_time_and_its_event_goes() {
    let record = Record::fresh().await;
    let leased = record.leased(None).await;
    let failed = outcome(FinalState::Failed, b"once more");
    let finish = Finish {
        leased: &leased,
        outcome: &failed,
        retry: Some(std::time::Duration::from_secs(30)),
        next: None,
    };
    let link = record.queue.link().await;
    let finished = queue::finish(&link, &finish).await.unwrap().0;
    assert!(matches!(finished, Finished::Delayed { .. }), "{finished:?}");
    let swept = record::sweep(
        &record.worker,
        &link,
        record.generation,
        std::time::Duration::ZERO,
    )
    .await
    .unwrap();
    assert_eq!((swept.recorded, swept.ended), (1, 0));
    let row = record.row(leased.id).await.unwrap();
    assert_eq!(
        (row.state.as_str(), row.tried, row.output),
        ("queued", 1, None)
    );
    assert!(row.due_at.is_some());
    assert_eq!(record.events().await, 0);
}

#[tokio::test]
async fn an_older_note_changes_nothing_and_a_final_row_takes_none() {
    let record = Record::fresh().await;
    let ended = record.ended(None).await;
    let note = |note| Noted {
        id: ended.id,
        event: None,
        generation: record.generation,
        body: ended.body.clone(),
        note,
    };
    let due = "2026-03-01T00:00:00Z".parse().unwrap();
    let tried = Note::Tried {
        tried: 1,
        losses: 1,
        due,
    };
    for one in [tried, started(1, 0, 0), started(1, 1, 0)] {
        assert!(record.outbox.note(note(one)));
        record.recorder.run_once().await.unwrap();
        let row = record.row(ended.id).await.unwrap();
        assert_eq!((row.state.as_str(), row.losses), ("queued", 1), "{one:?}");
    }
    assert!(record.outbox.end(ended.clone()));
    record.recorder.run_once().await.unwrap();
    assert!(record.outbox.note(note(started(2, 1, 1))));
    record.recorder.run_once().await.unwrap();
    let row = record.row(ended.id).await.unwrap();
    assert_eq!((row.state.as_str(), row.due_at), ("succeeded", None));
}

#[tokio::test]
async fn what_was_noted_in_the_batch_that_ends_it_is_kept() {
    let record = Record::fresh().await;
    let ended = record.ended(None).await;
    assert!(record.outbox.note(Noted {
        id: ended.id,
        event: None,
        generation: record.generation,
        body: ended.body.clone(),
        note: started(2, 0, 1),
    }));
    assert!(record.outbox.end(ended.clone()));
    let report = record.recorder.run_once().await.unwrap();
    assert_eq!((report.inserted, report.ended), (1, 1));
    let row = record.row(ended.id).await.unwrap();
    assert_eq!(
        (row.state.as_str(), row.attempt, row.losses),
        ("succeeded", 2, 1)
    );
}

#[tokio::test]
async fn asking_to_cancel_is_noted_in_an_open_row_and_late_for_a_final_one() {
    let record = Record::fresh().await;
    let ended = record.ended(None).await;
    let api = record.database.connect(Role::Api);
    let mut client = api.client().await.unwrap();
    let entry = record.tenant.entry();
    let noted = record::request_cancel(&mut client, record.generation, ended.id, &entry).await;
    assert_eq!(noted.unwrap(), Requested::Noted);
    assert!(record.row(ended.id).await.unwrap().cancel_requested);
    assert!(record.outbox.end(ended.clone()));
    record.recorder.run_once().await.unwrap();
    let late = record::request_cancel(&mut client, record.generation, ended.id, &entry).await;
    assert_eq!(late.unwrap(), Requested::Late);
    let refused = record::request_cancel(&mut client, 99, ended.id, &entry).await;
    assert!(matches!(refused, Err(record::WriteError::Refused(99))));
    assert_eq!(record.charged().await, 1);
    assert_eq!(ended.outcome, succeeded());
}
