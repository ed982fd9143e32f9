//! Entries nobody can read, and executions that start once at most.

use std::time::Duration;

use common::clock::SystemClock;
use common::execution::{ErrorCode, FinalState, Lane, State};
use common::ids::ExecutionId;
use common::queue::StreamKind;
use common::testing::{self, PrivatePostgres, Queue, wait_until};

use crate::rig::{Ask, BOUND, Rig};

const ADDS: &str = "def main(n: int) -> int:\n    return n + 1\n";
/// From the second fork on the template spins after each: when a child waits for the next call.
const RESTLESS: &str = "import os\nforks = []\ndef spin():\n    forks.append(1)\n    \
     while len(forks) > 1:\n        pass\nos.register_at_fork(after_in_parent=spin)\n\
     def main():\n    return 1\n";
const SLEEPS: &str =
    "import time\ndef main(seconds):\n    time.sleep(seconds)\n    return 'slept'\n";

#[tokio::test]
async fn a_damaged_entry_is_set_aside_and_counted_and_work_goes_on() {
    let rig = Rig::new().await;
    let function = rig.function(ADDS).await;
    let worker = rig.worker(&[("PATCHBAY_INTERACTIVE_SLOTS", "1")]).await;
    // One that says nothing, and one whose id is whole and whose body isn't.
    rig.plant(StreamKind::Interactive, &[("x", "?"), ("d", "?")])
        .await;
    let id = ExecutionId::new(&SystemClock);
    rig.accept_body(&function, id, Lane::Interactive, b"not an entry")
        .await;
    let outcome = rig.outcome(&function, id).await;
    assert_eq!(outcome.state(), FinalState::Failed);
    assert_eq!(outcome.sealed.ending.error_code, Some(ErrorCode::Killed));
    assert_eq!(rig.set_aside().await, 2);
    let metrics = worker.metrics().await;
    assert!(
        metrics.contains("patchbay_damaged_entries_total 2"),
        "{metrics}"
    );
    // The only slot is free.
    let next = rig.call(&function, r#"{"n": 1}"#).await;
    assert_eq!(next.output.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_sandbox_that_does_not_rest_between_executions_is_thrown_away() {
    let rig = Rig::new().await;
    let function = rig.function(RESTLESS).await;
    let worker = rig.worker(&[]).await;
    assert_eq!(rig.call(&function, "{}").await.output.as_deref(), Some("1"));
    let thrown = "patchbay_discarded_sandboxes_total{why=\"restless\"} 1";
    wait_until("a sandbox is thrown away", BOUND, async || {
        let metrics = worker.metrics().await;
        metrics.contains(thrown).then_some(()).ok_or(metrics)
    })
    .await;
}

#[tokio::test]
async fn what_starts_once_at_most_is_not_started_again_by_another_worker() {
    let rig = Rig::new().await;
    let function = rig.function(SLEEPS).await;
    let mut first = rig.worker(&[]).await;
    let ask = Ask {
        input: r#"{"seconds": 20}"#,
        once: true,
        ..Ask::default()
    };
    let id = rig.accept(&function, &ask).await;
    // Its start is in PostgreSQL before it runs.
    rig.row_is(&function, id, State::Running).await;
    first.kill();
    let _second = rig.worker(&[]).await;
    let outcome = rig.outcome(&function, id).await;
    assert_eq!(outcome.state(), FinalState::Failed);
    assert_eq!(outcome.error.unwrap().code, ErrorCode::WorkerLost);
    let short = Ask {
        input: r#"{"seconds": 0}"#,
        ..ask
    };
    let id = rig.accept(&function, &short).await;
    let outcome = rig.outcome(&function, id).await;
    assert_eq!(outcome.output.as_deref(), Some("\"slept\""));
}

#[tokio::test]
async fn what_starts_once_at_most_does_not_start_while_postgresql_is_away() {
    let mut postgres = PrivatePostgres::start().await;
    let database = testing::database_on(&postgres.url()).await;
    let queue = Queue::at(&testing::redis_url(), &database).await;
    let rig = Rig::over(database, queue, testing::redis_url());
    let function = rig.function(ADDS).await;
    let worker = rig.worker(&[]).await;
    rig.call(&function, r#"{"n": 1}"#).await;
    postgres.crash();
    let ask = Ask {
        input: r#"{"n": 41}"#,
        once: true,
        ..Ask::default()
    };
    let id = rig.accept(&function, &ask).await;
    wait_until("it is handed back", BOUND, async || {
        let log = worker.log();
        let handed = log.contains("the only start cannot be recorded");
        handed.then_some(()).ok_or(log)
    })
    .await;
    let again = rig.call(&function, r#"{"n": 2}"#).await;
    assert_eq!(again.output.as_deref(), Some("3"));
    postgres.restart().await;
    let outcome = rig.outcome(&function, id).await;
    assert_eq!(outcome.output.as_deref(), Some("42"));
    assert_eq!(outcome.sealed.ending.attempt, 1);
}

#[tokio::test]
async fn a_timeout_ends_a_call_and_the_next_is_well() {
    let rig = Rig::new().await;
    let function = rig.function(SLEEPS).await;
    let _worker = rig.worker(&[]).await;
    let ask = Ask {
        input: r#"{"seconds": 30}"#,
        timeout: Duration::from_millis(300),
        ..Ask::default()
    };
    let id = rig.accept(&function, &ask).await;
    let outcome = rig.outcome(&function, id).await;
    assert_eq!(outcome.state(), FinalState::TimedOut);
    assert_eq!(outcome.error.unwrap().code, ErrorCode::Timeout);
    let next = rig.call(&function, r#"{"seconds": 0}"#).await;
    assert_eq!(next.output.as_deref(), Some("\"slept\""));
}
