//! What becomes of executions when Redis is emptied, restarted or set back.

use std::time::Duration;

use common::execution::State;
use common::queue::{self, Finished, QueueError, StreamKind};
use common::record::{self, WriteError, request_cancel};
use common::testing::Role;

use crate::stage::{Stage, succeeded};

#[tokio::test]
async fn open_rows_that_redis_lost_run_again_once() {
    let stage = Stage::certified().await;
    let mut ids = Vec::new();
    for _ in 0..70 {
        ids.push(stage.enqueue().await);
    }
    // One was running, and one has ended and is recorded.
    stage.take(StreamKind::Background, "w1").await;
    let ended = stage.take(StreamKind::Background, "w1").await;
    assert!(matches!(stage.finish(&ended).await, Finished::Done { .. }));
    let swept = sweep(&stage).await;
    assert_eq!(swept, 1);
    let _: String = stage.raw("FLUSHALL").await;

    stage.recover().await;

    assert_eq!(stage.quota().await, Some(70), "all are charged, none twice");
    let open = ids.len() as u64 - 1;
    let (slots, background) = stage.slots().await;
    assert_eq!((slots, background), (stage.entries().await, slots));
    let backlog: u64 = backlog(&stage).await;
    assert_eq!(slots + backlog, open, "each is enqueued once");
    // A worker's account of what ran: every one but the ended, once.
    let ran = stage.run_all(StreamKind::Background, open).await;
    ids.retain(|id| *id != ended.id);
    assert_eq!(ran, ids);
    assert_eq!(stage.slots().await, (0, 0));
    assert_eq!(stage.entries().await, 0);
}

#[tokio::test]
async fn a_call_that_only_redis_knew_is_gone_with_it_and_not_charged() {
    let stage = Stage::certified().await;
    stage.call().await;
    assert_eq!(stage.quota().await, Some(1));
    let _: String = stage.raw("FLUSHALL").await;
    stage.recover().await;
    assert_eq!(stage.entries().await, 0);
    assert_eq!(stage.slots().await, (0, 0));
    assert_eq!(stage.quota().await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_restart_with_the_log_whole_requeues_nothing() {
    let mut stage = Stage::certified().await;
    let before = stage.generation().await;
    let queued = stage.enqueue().await;
    let call = stage.call().await;
    let leased = stage.take(StreamKind::Interactive, "w1").await;
    assert_eq!(leased.id, call);
    stage.redis.restart().await;
    let refused = stage.links().link().await;
    assert!(matches!(refused, Err(QueueError::Recovering)));

    stage.recover().await;

    assert!(stage.generation().await > before);
    assert_eq!(stage.entries().await, 2, "nothing came twice");
    assert_eq!(stage.slots().await, (2, 1));
    assert_eq!(stage.quota().await, Some(2), "one row, one call without");
    // The lease went on through all of it.
    assert!(matches!(stage.finish(&leased).await, Finished::Done { .. }));
    assert_eq!(stage.run_all(StreamKind::Background, 1).await, [queued]);
    assert_eq!(stage.slots().await, (0, 0));
}

#[tokio::test]
async fn a_redis_set_back_gets_what_it_lost_and_gives_up_what_has_ended() {
    let mut stage = Stage::certified().await;
    let early = stage.enqueue().await;
    stage.redis.remember();
    let leased = stage.take(StreamKind::Background, "w1").await;
    assert!(matches!(stage.finish(&leased).await, Finished::Done { .. }));
    assert_eq!(sweep(&stage).await, 1);
    let late = stage.enqueue().await;
    stage.redis.set_back().await;
    assert_eq!(
        stage.entries().await,
        1,
        "Redis believes the early one to be open"
    );

    stage.recover().await;

    assert_eq!(stage.state(early).await, Some(State::Succeeded));
    assert_eq!(stage.run_all(StreamKind::Background, 1).await, [late]);
    assert_eq!(stage.entries().await, 0);
    assert_eq!(stage.slots().await, (0, 0));
    assert_eq!(stage.quota().await, Some(2));
    let hash = early.uuid().simple();
    let state: String = stage.raw(&format!("HGET %x:{hash} o")).await;
    assert_eq!(state, "succeeded", "Redis and PostgreSQL agree");
}

#[tokio::test]
async fn events_that_survived_are_recorded_and_removed() {
    let mut stage = Stage::certified().await;
    let queued = stage.enqueue().await;
    let call = stage.call().await;
    for stream in [StreamKind::Background, StreamKind::Interactive] {
        let leased = stage.take(stream, "w1").await;
        assert!(matches!(stage.finish(&leased).await, Finished::Done { .. }));
    }
    assert_eq!(stage.state(queued).await, Some(State::Queued));
    stage.redis.restart().await;

    stage.recover().await;

    for id in [queued, call] {
        assert_eq!(stage.state(id).await, Some(State::Succeeded));
    }
    assert_eq!(stage.raw::<u64>("XLEN %ev").await, 0);
    assert_eq!(stage.quota().await, Some(2));
    assert_eq!(stage.entries().await, 0);
}

#[tokio::test]
async fn what_was_to_be_cancelled_ends_cancelled_and_never_runs() {
    let mut stage = Stage::certified().await;
    let lost = stage.enqueue().await;
    request(&stage, lost).await;
    let _: String = stage.raw("FLUSHALL").await;
    stage.recover().await;
    assert_eq!(stage.state(lost).await, Some(State::Cancelled));
    assert_eq!(stage.entries().await, 0);

    // Waiting in Redis, which knows of no cancel.
    let waiting = stage.enqueue().await;
    request(&stage, waiting).await;
    stage.redis.restart().await;
    stage.recover().await;
    assert_eq!(stage.state(waiting).await, Some(State::Cancelled));
    assert_eq!((stage.entries().await, stage.slots().await), (0, (0, 0)));

    // Leased: the flag is copied, and its worker may only end it as cancelled.
    let running = stage.enqueue().await;
    let leased = stage.take(StreamKind::Background, "w1").await;
    request(&stage, running).await;
    stage.redis.restart().await;
    stage.recover().await;
    assert_eq!(stage.state(running).await, Some(State::Queued));
    assert_eq!(stage.finish(&leased).await, Finished::Asked);
}

#[tokio::test]
async fn a_late_writer_of_the_older_generation_is_refused() {
    let stage = Stage::certified().await;
    let before = stage.generation().await;
    let id = stage.enqueue().await;
    let old = stage.link().await;
    let leased = stage.take(StreamKind::Background, "w1").await;
    let _: String = stage.raw("FLUSHALL").await;
    stage.recover().await;
    // In the queue …
    let outcome = succeeded(b"late");
    let end = queue::Finish {
        leased: &leased,
        outcome: &outcome,
        retry: None,
        next: None,
    };
    let late = queue::finish(&old, &end).await;
    assert!(matches!(late, Err(QueueError::Recovering)), "{late:?}");
    // … with the token of before over a new link …
    assert_eq!(stage.finish(&leased).await, Finished::Fenced);
    // … and in the record.
    let client = stage.database.connect(Role::Worker).client().await.unwrap();
    let late = record::end_settled(&client, before, &[(id, outcome)]).await;
    assert!(
        matches!(late, Err(WriteError::Refused(generation)) if generation == before),
        "{late:?}"
    );
    assert_eq!(stage.state(id).await, Some(State::Queued));
}

#[tokio::test]
async fn an_entry_delivered_to_nobody_is_found_again() {
    let mut stage = Stage::certified().await;
    let id = stage.enqueue().await;
    stage.take(StreamKind::Background, "w1").await;
    // As a consumer deleted with its pending entries leaves it.
    let _: u64 = stage.raw("XGROUP DELCONSUMER %q:b w w1").await;
    stage.redis.restart().await;
    stage.recover().await;
    let (reclaimed, damaged) = queue::reclaim(&stage.link().await, "w2", 4, queue::Alone::No)
        .await
        .unwrap();
    assert_eq!(damaged, []);
    assert_eq!(reclaimed.len(), 1);
    assert_eq!(reclaimed[0].leased.id, id);
}

async fn request(stage: &Stage, id: common::ids::ExecutionId) {
    let mut client = stage.database.connect(Role::Api).client().await.unwrap();
    let generation = stage.generation().await;
    let noted = request_cancel(&mut client, generation, id, &stage.tenant.entry()).await;
    assert_eq!(noted.unwrap(), record::Requested::Noted);
}

/// Records all events as a worker would; gives how many they were.
async fn sweep(stage: &Stage) -> u64 {
    let database = stage.database.connect(Role::Worker);
    let link = stage.link().await;
    let swept = record::sweep(&database, &link, link.generation(), Duration::ZERO).await;
    swept.unwrap().recorded
}

async fn backlog(stage: &Stage) -> u64 {
    let account = stage.tenant.account.uuid().simple();
    stage.raw(&format!("ZCARD %back:{account}")).await
}
