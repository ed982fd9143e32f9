//! At the very first start nothing is certified, and the recovery certifies it.

use common::queue::{QueueError, Standing};
use scheduler::duty::Report;

use crate::stage::Stage;

#[tokio::test]
async fn the_first_recovery_certifies_an_empty_partition() {
    let stage = Stage::empty().await;
    let links = stage.links();
    assert!(matches!(links.link().await, Err(QueueError::Recovering)));
    stage.recover().await;
    let generation = stage.generation().await;
    let hello = links.hello().await.unwrap();
    assert_eq!(hello.standing, Standing::Certified(generation));
    let id = stage.enqueue().await;
    assert_eq!(
        stage
            .run_all(common::queue::StreamKind::Background, 1)
            .await,
        [id]
    );
}

#[tokio::test]
async fn a_certified_partition_is_left_alone() {
    let stage = Stage::certified().await;
    let generation = stage.generation().await;
    assert_eq!(stage.recover_once().await.unwrap(), Report::default());
    assert_eq!(stage.generation().await, generation);
}

#[tokio::test]
async fn a_certificate_the_record_does_not_know_is_none() {
    let mut stage = Stage::certified().await;
    // The database was set back to nothing; Redis was not.
    stage.database = common::testing::database().await;
    assert_eq!(stage.generation().await, 0);
    stage.recover().await;
    let hello = stage.links().hello().await.unwrap();
    assert_eq!(
        hello.standing,
        Standing::Certified(stage.generation().await)
    );
    assert!(
        stage.generation().await > 1,
        "higher than the one Redis knew"
    );
}
