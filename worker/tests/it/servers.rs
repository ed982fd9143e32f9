//! Redis and PostgreSQL that die, forget, or are away.

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::execution::State;
use common::testing::{self, PrivatePostgres, PrivateRedis, Queue, wait_until};
use nix::sys::signal::{Signal, kill};

use crate::rig::{Ask, BOUND, Rig, Scheduler, sandbox_alive};

const SLEEPS: &str =
    "import time\ndef main(seconds):\n    time.sleep(seconds)\n    return 'slept'\n";
const ADDS: &str = "def main(n: int) -> int:\n    return n + 1\n";

pub(crate) async fn with_redis() -> (PrivateRedis, Rig) {
    let redis = PrivateRedis::start().await;
    let database = testing::database().await;
    let queue = Queue::at(&redis.url(), &database).await;
    let rig = Rig::over(database, queue, redis.url());
    (redis, rig)
}

async fn with_both() -> (PrivateRedis, PrivatePostgres, Rig) {
    let redis = PrivateRedis::start().await;
    let postgres = PrivatePostgres::start().await;
    let database = testing::database_on(&postgres.url()).await;
    let queue = Queue::at(&redis.url(), &database).await;
    let rig = Rig::over(database, queue, redis.url());
    (redis, postgres, rig)
}

#[tokio::test]
async fn what_runs_goes_on_over_a_restart_of_redis() {
    let (mut redis, rig) = with_redis().await;
    let function = rig.function(SLEEPS).await;
    let _scheduler = Scheduler::start(&rig);
    let _worker = rig.worker(&[]).await;
    let ask = Ask {
        input: r#"{"seconds": 3}"#,
        ..Ask::default()
    };
    let id = rig.accept(&function, &ask).await;
    rig.running(&function, id).await;
    redis.restart().await;
    let outcome = rig.outcome(&function, id).await;
    assert_eq!(outcome.output.as_deref(), Some("\"slept\""), "{outcome:?}");
    assert_eq!(outcome.sealed.ending.attempt, 1);
    let ran = Duration::from_micros(outcome.sealed.ending.duration_us.unwrap());
    assert!(ran >= Duration::from_secs(3), "{ran:?}");
    assert_eq!(rig.recorded(&function, id).await.sealed, outcome.sealed);
    let next = rig.call(&function, r#"{"seconds": 0}"#).await;
    assert_eq!(next.output.as_deref(), Some("\"slept\""));
}

#[tokio::test]
async fn what_cannot_be_renewed_is_stopped_and_handed_back() {
    let (mut redis, rig) = with_redis().await;
    let word = format!("pbtest-away-{}", std::process::id());
    let code = format!(
        "import subprocess\n\
         def main(seconds):\n\
         \x20   subprocess.run(['/bin/sh', '-c', f'sleep {{seconds}}; true', '{word}'])\n\
         \x20   return 'slept'\n"
    );
    let function = rig.function(&code).await;
    let _scheduler = Scheduler::start(&rig);
    let worker = rig.worker(&[]).await;
    let ask = Ask {
        input: r#"{"seconds": 4}"#,
        ..Ask::default()
    };
    let id = rig.accept(&function, &ask).await;
    wait_until("the code runs", BOUND, async || {
        sandbox_alive(&word).then_some(()).ok_or("not yet")
    })
    .await;
    redis.kill();
    wait_until(
        "the sandbox is stopped",
        Duration::from_secs(3),
        async || (!sandbox_alive(&word)).then_some(()).ok_or("alive"),
    )
    .await;
    redis.restart().await;
    let outcome = rig.outcome(&function, id).await;
    assert_eq!(
        outcome.output.as_deref(),
        Some("\"slept\""),
        "{}",
        worker.log()
    );
    // Giving it back is no loss.
    assert_eq!(outcome.sealed.ending.attempt, 1);
    let metrics = worker.metrics().await;
    assert!(
        !metrics.contains("patchbay_hand_backs_total 0"),
        "{metrics}"
    );
}

#[tokio::test]
async fn an_execution_that_redis_forgot_runs_again_and_is_recorded_once() {
    let (redis, rig) = with_redis().await;
    let function = rig.function(SLEEPS).await;
    let _scheduler = Scheduler::start(&rig);
    let worker = rig.worker(&[]).await;
    let ask = Ask {
        input: r#"{"seconds": 2}"#,
        ..Ask::default()
    };
    let id = rig.accept(&function, &ask).await;
    rig.row_is(&function, id, State::Running).await;
    rig.flush().await;
    let outcome = rig.recorded(&function, id).await;
    assert_eq!(
        outcome.output.as_deref(),
        Some("\"slept\""),
        "{}",
        worker.log()
    );
    assert_eq!(rig.outcome(&function, id).await.sealed, outcome.sealed);
    drop(redis);
}

#[tokio::test]
async fn an_outcome_whose_answer_was_lost_is_recorded_as_it_was_sent() {
    let (mut redis, rig) = with_redis().await;
    let function = rig.function(SLEEPS).await;
    let worker = rig.worker(&[]).await;
    let ask = Ask {
        input: r#"{"seconds": 1}"#,
        ..Ask::default()
    };
    let id = rig.accept(&function, &ask).await;
    rig.row_is(&function, id, State::Running).await;
    // From now on Redis takes what is sent, and answers nothing.
    kill(rig.redis_pid().await, Signal::SIGSTOP).unwrap();
    wait_until("the outcome is in doubt", BOUND, async || {
        let log = worker.log();
        let sent = log.contains("an outcome waits for the queue");
        sent.then_some(()).ok_or(log)
    })
    .await;
    redis.restart().await;
    let _scheduler = Scheduler::start(&rig);
    let recorded = rig.recorded(&function, id).await;
    assert_eq!(recorded.output.as_deref(), Some("\"slept\""));
    assert_eq!(recorded.sealed.ending.attempt, 1);
    let log = worker.log();
    assert!(log.contains("recorded as sent"), "{log}");
    // Redis learns the same.
    assert_eq!(rig.outcome(&function, id).await.sealed, recorded.sealed);
    let next = rig.call(&function, r#"{"seconds": 0}"#).await;
    assert_eq!(next.output.as_deref(), Some("\"slept\""));
}

#[tokio::test]
async fn calls_go_on_while_postgresql_is_away_and_are_recorded_when_it_is_back() {
    let (_redis, mut postgres, rig) = with_both().await;
    let function = rig.function(ADDS).await;
    let _worker = rig.worker(&[]).await;
    rig.call(&function, r#"{"n": 1}"#).await;
    postgres.crash();
    let mut ids = Vec::new();
    for n in 0..5 {
        let input = format!(r#"{{"n": {n}}}"#);
        let ask = Ask {
            input: &input,
            ..Ask::default()
        };
        let id = rig.accept(&function, &ask).await;
        let outcome = rig.outcome(&function, id).await;
        assert_eq!(outcome.output, Some((n + 1).to_string()));
        ids.push((id, outcome));
    }
    postgres.restart().await;
    for (id, outcome) in ids {
        assert_eq!(rig.recorded(&function, id).await.sealed, outcome.sealed);
    }
}

#[tokio::test]
async fn an_outcome_that_redis_forgot_before_it_was_recorded_is_in_the_outbox() {
    let (_redis, mut postgres, rig) = with_both().await;
    let function = rig.function(ADDS).await;
    let worker = rig.worker(&[]).await;
    rig.call(&function, r#"{"n": 1}"#).await;
    postgres.crash();
    let ask = Ask {
        input: r#"{"n": 41}"#,
        ..Ask::default()
    };
    let id = rig.accept(&function, &ask).await;
    let outcome = rig.outcome(&function, id).await;
    assert_eq!(outcome.output.as_deref(), Some("42"));
    rig.flush().await;
    postgres.restart().await;
    let _scheduler = Scheduler::start(&rig);
    let recorded = rig.recorded(&function, id).await;
    assert_eq!(recorded.sealed, outcome.sealed, "{}", worker.log());
    // And the queue serves again.
    let next = rig.call(&function, r#"{"n": 2}"#).await;
    assert_eq!(next.output.as_deref(), Some("3"));
}

#[tokio::test]
async fn what_people_send_and_print_is_in_no_file_of_redis_or_postgresql() {
    let (redis, postgres, rig) = with_both().await;
    let word = "xylographically-planted";
    let code = format!(
        "import sys\n\
         def main(text):\n\
         \x20   print('{word}', text)\n\
         \x20   print(text, file=sys.stderr)\n\
         \x20   if text.endswith('raise'): raise ValueError(text)\n\
         \x20   return text\n"
    );
    let function = rig.function(&code).await;
    let _worker = rig.worker(&[]).await;
    for ending in ["return", "raise"] {
        let input = format!(r#"{{"text": "{word} {ending}"}}"#);
        let ask = Ask {
            input: &input,
            ..Ask::default()
        };
        let id = rig.accept(&function, &ask).await;
        let recorded = rig.recorded(&function, id).await;
        assert!(recorded.logs.stdout.contains(word));
    }
    rig.checkpoint().await;
    let redis = PathBuf::from(redis.url().trim_start_matches("redis+unix://"));
    let postgres = postgres.url();
    let postgres = postgres.split(' ').next().unwrap();
    let postgres = Path::new(postgres.trim_start_matches("host="));
    let mut looked_at = 0;
    for folder in [redis.parent().unwrap(), postgres] {
        for file in files(folder) {
            let Ok(bytes) = std::fs::read(&file) else {
                continue;
            };
            looked_at += bytes.len();
            let found = bytes
                .windows(word.len())
                .any(|part| part == word.as_bytes());
            assert!(!found, "{}", file.display());
        }
    }
    assert!(looked_at > 1 << 20, "only {looked_at} bytes were looked at");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            all.extend(files(&entry.path()));
        } else if kind.is_file() {
            all.push(entry.path());
        }
    }
    all
}
