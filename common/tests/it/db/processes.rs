//! Live processes.

use common::clock::SystemClock;
use common::db::processes::{self, Kind};
use common::ids::ProcessId;
use common::testing::{self, Role};

#[tokio::test]
async fn a_heartbeat_moves_and_a_settlement_never_goes_back() {
    let database = testing::database().await;
    let worker = database.connect(Role::Worker).client().await.unwrap();
    let id = ProcessId::new(&SystemClock);
    let scheduler = database.connect(Role::Scheduler).client().await.unwrap();
    let seen = async || processes::list(&scheduler).await.unwrap()[0];
    processes::beat(&worker, id, Kind::Worker, 3).await.unwrap();
    let first = seen().await;
    assert_eq!((first.id, first.kind, first.acked), (id, Kind::Worker, 3));
    processes::beat(&worker, id, Kind::Worker, 2).await.unwrap();
    let second = seen().await;
    assert!(second.heartbeat_at > first.heartbeat_at);
    assert_eq!(second.acked, 3);
    let remove = async |at| processes::remove(&scheduler, id, at).await.unwrap();
    assert!(!remove(first.heartbeat_at).await, "it moved since");
    assert!(remove(second.heartbeat_at).await);
    processes::beat(&worker, id, Kind::Worker, 0).await.unwrap();
    processes::leave(&worker, id).await.unwrap();
    assert_eq!(processes::list(&scheduler).await.unwrap(), []);
}
