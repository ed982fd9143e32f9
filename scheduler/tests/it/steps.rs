//! A recovery that dies after any of its steps begins again, under a higher
//! generation, and ends as if nothing had happened.

use std::time::Duration;

use common::clock::{Clock as _, SystemClock};
use common::ids::ExecutionId;
use common::queue::{Finished, QueueError, StreamKind};
use scheduler::duty::{Duty as _, DutyError, Report};
use scheduler::points::{Point, Points};

use crate::stage::Stage;

/// Ended but not recorded, waiting, leased, and known to Redis alone.
async fn given(stage: &Stage) -> Vec<ExecutionId> {
    let ended = stage.enqueue().await;
    let leased = stage.take(StreamKind::Background, "w1").await;
    assert_eq!(leased.id, ended);
    assert!(matches!(stage.finish(&leased).await, Finished::Done { .. }));
    let waiting = stage.enqueue().await;
    let running = stage.enqueue().await;
    vec![ended, waiting, running]
}

/// Has a recovery die at a point; gives the generation it had begun.
async fn die_at(stage: &Stage, point: Point) -> u64 {
    let (points, reached) = Points::pause_at(point);
    let duty = stage.duty(points);
    tokio::select! {
        done = duty.run_once(SystemClock.now()) => panic!("it passed {point:?}: {done:?}"),
        () = reached.notified() => {}
        () = tokio::time::sleep(Duration::from_secs(30)) => panic!("it never came to {point:?}"),
    }
    stage.begun().await
}

async fn dies_and_goes_on(point: Point) {
    let mut stage = Stage::certified().await;
    let ids = given(&stage).await;
    stage.redis.restart().await;
    let dead = die_at(&stage, point).await;
    if point == Point::Certified {
        assert_eq!(stage.recover_once().await.unwrap(), Report::default());
    } else {
        let refused = stage.links().link().await;
        assert!(matches!(refused, Err(QueueError::Recovering)));
        stage.recover().await;
        assert!(stage.generation().await > dead);
    }
    assert_eq!(stage.raw::<u64>("XLEN %ev").await, 0);
    assert_eq!(stage.slots().await, (2, 2));
    assert_eq!(stage.quota().await, Some(3));
    assert_eq!(stage.run_all(StreamKind::Background, 2).await, ids[1..]);
    assert_eq!((stage.entries().await, stage.slots().await), (0, (0, 0)));
}

#[tokio::test]
async fn dead_after_beginning() {
    dies_and_goes_on(Point::Begun).await;
}

#[tokio::test]
async fn dead_after_the_barrier() {
    dies_and_goes_on(Point::Barrier).await;
}

#[tokio::test]
async fn dead_after_recording_the_events() {
    dies_and_goes_on(Point::Events).await;
}

#[tokio::test]
async fn dead_after_closing_the_door() {
    dies_and_goes_on(Point::Door).await;
}

#[tokio::test]
async fn dead_after_counting() {
    dies_and_goes_on(Point::Counted).await;
}

#[tokio::test]
async fn dead_after_rewriting_the_log() {
    dies_and_goes_on(Point::Rewritten).await;
}

#[tokio::test]
async fn dead_after_certifying() {
    dies_and_goes_on(Point::Certified).await;
}

#[tokio::test]
async fn dead_between_two_batches_of_rows() {
    let stage = Stage::certified().await;
    let mut ids = Vec::new();
    for _ in 0..130 {
        ids.push(stage.enqueue().await);
    }
    let _: String = stage.raw("FLUSHALL").await;
    die_at(&stage, Point::Settled(1)).await;
    stage.recover().await;
    assert_eq!(stage.quota().await, Some(130));
    assert_eq!(stage.run_all(StreamKind::Background, 130).await, ids);
    assert_eq!((stage.entries().await, stage.slots().await), (0, (0, 0)));
}

#[tokio::test]
async fn a_redis_emptied_during_a_recovery_is_recovered_from_the_start() {
    let stage = Stage::certified().await;
    let id = stage.enqueue().await;
    for point in [Point::Begun, Point::Events, Point::Door, Point::Counted] {
        let _: String = stage.raw("FLUSHALL").await;
        let (points, reached) = Points::pause_at(point);
        let duty = stage.duty(points.clone());
        let meddling = async {
            reached.notified().await;
            let _: String = stage.raw("FLUSHALL").await;
            points.go_on();
        };
        let (ended, ()) = tokio::join!(duty.run_once(SystemClock.now()), meddling);
        assert!(
            matches!(ended, Err(DutyError::Queue { .. })),
            "{point:?}: {ended:?}"
        );
        stage.recover().await;
        assert_eq!(stage.slots().await, (1, 1), "{point:?}");
    }
    assert_eq!(stage.run_all(StreamKind::Background, 1).await, [id]);
    assert_eq!(stage.quota().await, Some(1));
}

#[tokio::test]
async fn a_redis_restarted_during_a_recovery_is_recovered_from_the_start() {
    let mut stage = Stage::certified().await;
    let id = stage.enqueue().await;
    // Its log brings the generation under construction back: only the link tells.
    for point in [Point::Door, Point::Counted, Point::Rewritten] {
        stage.redis.restart().await;
        let (points, reached) = Points::pause_at(point);
        let duty = stage.duty(points.clone());
        let meddling = async {
            reached.notified().await;
            stage.redis.restart().await;
            points.go_on();
        };
        let (ended, ()) = tokio::join!(duty.run_once(SystemClock.now()), meddling);
        assert!(ended.is_err(), "{point:?}: {ended:?}");
        let refused = stage.links().link().await;
        assert!(matches!(refused, Err(QueueError::Recovering)), "{point:?}");
        stage.recover().await;
    }
    assert_eq!(stage.run_all(StreamKind::Background, 1).await, [id]);
    assert_eq!(stage.quota().await, Some(1));
}
