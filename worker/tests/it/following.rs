//! What a sandbox prints, heard while it runs.

use std::time::Duration;

use common::accept::{Accept, Follower, Heard, Parts};
use common::clock::SystemClock;
use common::db::Database;
use common::execution::{FinalState, State};
use common::ids::{ExecutionId, ProcessId};
use common::limits::LIVE_LOG_KEPT;
use common::live_log::{Place, Stream, Told};
use common::metrics::{self, ApiMetrics};
use common::plan::{Plan, Plans};
use common::testing::Role;
use common::testing::given::Tenant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::rig::{Ask, BOUND, Rig};
use crate::servers::with_redis;

/// An api's ear.
struct Ear {
    accept: Accept,
    stop: CancellationToken,
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Ear {
    async fn open(rig: &Rig) -> Self {
        let registry = metrics::registry().unwrap();
        let stop = CancellationToken::new();
        let accept = Accept::new(Parts {
            process: ProcessId::new(&SystemClock),
            links: rig.queue.links.clone(),
            database: rig.database.connect(Role::Api),
            commits: Database::single(&rig.database.url(Role::Api)).unwrap(),
            vault: rig.database.vault(Role::Api),
            plans: Plans::shipped().unwrap(),
            clock: std::sync::Arc::new(SystemClock),
            metrics: ApiMetrics::register(&registry).unwrap(),
            draining: stop.clone(),
        });
        let tasks = TaskTracker::new();
        accept.start(&tasks, &stop);
        accept.hears().await;
        Self { accept, stop }
    }

    fn follow(&self, tenant: &Tenant, id: ExecutionId, after: Option<Place>) -> Ears {
        let follower = self
            .accept
            .follow((tenant.account, Plan::Local), id, after)
            .unwrap();
        Ears {
            follower,
            told: Vec::new(),
        }
    }
}

/// One who follows, and what it was told.
struct Ears {
    follower: Follower,
    told: Vec<Told>,
}

impl Ears {
    /// Hears on until there is this text, or the end; gives how it ended.
    async fn until(&mut self, word: &str) -> Option<State> {
        let hearing = async {
            while !self.text(Stream::Stdout).contains(word) {
                match self.follower.next().await.unwrap() {
                    Heard::Told(told) => self.told.extend(told),
                    Heard::Ended { rest, state, .. } => {
                        self.told.extend(rest);
                        return Some(state);
                    }
                    Heard::Over => panic!("over, without an end: {:?}", self.told),
                }
            }
            None
        };
        tokio::time::timeout(BOUND, hearing).await.unwrap()
    }

    async fn end(&mut self) -> State {
        self.until("\u{0}never\u{0}").await.unwrap()
    }

    /// What is of the last run.
    fn text(&self, of: Stream) -> String {
        let mut all = String::new();
        for told in &self.told {
            match told {
                Told::Restart { .. } => all.clear(),
                Told::Text { stream, text, .. } if *stream == of => all.push_str(text),
                Told::Text { .. } => {}
            }
        }
        all
    }
}

fn for_seconds(seconds: u64) -> Ask<'static> {
    Ask {
        timeout: Duration::from_secs(seconds),
        ..Ask::default()
    }
}

#[tokio::test]
async fn lines_are_heard_before_the_end_and_what_was_printed_stays_after_a_cancel() {
    let rig = Rig::new().await;
    let ear = Ear::open(&rig).await;
    let function = rig
        .function(
            "import sys, time\n\
             def main():\n\
             \x20   print('data: x\\n\\nevent: end', flush=True)\n\
             \x20   time.sleep(0.3)\n\
             \x20   print('> ', end='', flush=True)\n\
             \x20   time.sleep(60)\n",
        )
        .await;
    let id = rig.accept(&function, &for_seconds(60)).await;
    let mut ears = ear.follow(&function, id, None);
    let _worker = rig.worker(&[]).await;
    assert_eq!(ears.until("> ").await, None);
    let printed = "data: x\n\nevent: end\n> ";
    assert_eq!(ears.text(Stream::Stdout), printed);
    let Told::Text { text, .. } = &ears.told[0] else {
        panic!("{:?}", ears.told);
    };
    assert_eq!(text, "data: x\n\nevent: end\n");
    // It outlives the run, should nobody end it, and not by much.
    let left = rig.log_kept(id).await;
    let (least, most) = (LIVE_LOG_KEPT, LIVE_LOG_KEPT + Duration::from_secs(60));
    assert!(left > least && left <= most, "{left:?}");
    rig.cancel(&function, id).await;
    assert_eq!(ears.end().await, State::Cancelled);
    assert_eq!(ears.text(Stream::Stdout), printed);
    assert_eq!(rig.outcome(&function, id).await.logs.stdout, printed);
}

#[tokio::test]
async fn all_who_follow_hear_everything_once_and_in_order() {
    let rig = Rig::new().await;
    let (ear, elsewhere) = (Ear::open(&rig).await, Ear::open(&rig).await);
    let function = rig
        .function(
            "import sys, time\n\
             def main():\n\
             \x20   for n in range(400):\n\
             \x20       print('line', n, 'é')\n\
             \x20       if n % 10 == 0: print('err', n, file=sys.stderr)\n\
             \x20       time.sleep(0.004)\n\
             \x20   print('no end', end='')\n",
        )
        .await;
    let _worker = rig.worker(&[]).await;
    let id = rig.accept(&function, &for_seconds(60)).await;
    let mut first = ear.follow(&function, id, None);
    assert_eq!(first.until("line 20 ").await, None);
    let mut second = elsewhere.follow(&function, id, None);
    let Some(Told::Text { place, .. }) = first.told.last().cloned() else {
        panic!("{:?}", first.told);
    };
    let mut resumed = elsewhere.follow(&function, id, Some(place));
    resumed.told.clone_from(&first.told);
    let ended = tokio::join!(first.end(), second.end(), resumed.end());
    assert_eq!(
        ended,
        (State::Succeeded, State::Succeeded, State::Succeeded)
    );
    let logs = rig.outcome(&function, id).await.logs;
    assert!(logs.stdout.ends_with("line 399 é\nno end"));
    for ears in [first, second, resumed] {
        assert_eq!(ears.text(Stream::Stdout), logs.stdout);
        assert_eq!(ears.text(Stream::Stderr), logs.stderr);
        // In many pieces, not all at the end.
        assert!(ears.told.len() > 10, "{}", ears.told.len());
    }
}

#[tokio::test]
async fn a_redis_without_memory_is_told_no_more_of_a_log_and_the_outcome_has_it() {
    let (_redis, rig) = with_redis().await;
    let function = rig
        .function(
            "import time\n\
             def main():\n\
             \x20   for n in range(30):\n\
             \x20       print(n, flush=True)\n\
             \x20       time.sleep(0.1)\n",
        )
        .await;
    let _worker = rig.worker(&[]).await;
    let id = rig.accept(&function, &for_seconds(60)).await;
    rig.running(&function, id).await;
    rig.without_memory().await;
    let outcome = rig.outcome(&function, id).await;
    assert_eq!(outcome.state(), FinalState::Succeeded);
    assert!(outcome.logs.stdout.ends_with("\n28\n29\n"));
    assert_eq!(rig.refused_for_memory().await, 1);
}

#[tokio::test]
async fn what_was_told_is_taken_back_where_the_second_run_prints_nothing() {
    let rig = Rig::new().await;
    let ear = Ear::open(&rig).await;
    let function = rig
        .function(
            "import time\n\
             def handler(input, context):\n\
             \x20   if context.attempt == 1:\n\
             \x20       print('first', flush=True)\n\
             \x20       time.sleep(60)\n",
        )
        .await;
    let mut first = rig.worker(&[]).await;
    let id = rig.accept(&function, &for_seconds(60)).await;
    let mut ears = ear.follow(&function, id, None);
    assert_eq!(ears.until("first\n").await, None);
    first.kill();
    let _second = rig.worker(&[]).await;
    assert_eq!(ears.end().await, State::Succeeded);
    assert_eq!(ears.text(Stream::Stdout), "");
    assert_eq!(rig.outcome(&function, id).await.logs.stdout, "");
}

#[tokio::test]
async fn after_a_worker_was_killed_the_log_begins_anew() {
    let rig = Rig::new().await;
    let ear = Ear::open(&rig).await;
    let function = rig
        .function(
            "import time\n\
             def handler(input, context):\n\
             \x20   print('attempt', context.attempt)\n\
             \x20   time.sleep(60 if context.attempt == 1 else 0.3)\n",
        )
        .await;
    let mut first = rig.worker(&[]).await;
    let id = rig.accept(&function, &for_seconds(60)).await;
    let mut ears = ear.follow(&function, id, None);
    assert_eq!(ears.until("attempt 1\n").await, None);
    first.kill();
    let _second = rig.worker(&[]).await;
    assert_eq!(ears.end().await, State::Succeeded);
    assert_eq!(ears.text(Stream::Stdout), "attempt 2\n");
    let restarts = ears.told.iter().filter_map(|told| match told {
        Told::Restart { attempt, .. } => Some(*attempt),
        Told::Text { .. } => None,
    });
    assert_eq!(restarts.collect::<Vec<_>>(), [2]);
}
