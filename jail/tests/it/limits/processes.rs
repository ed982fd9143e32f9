//! Processes and threads: the plan's, besides the one that the code begins in.

use jail::{FailureCode, Limits};
use serde_json::json;

use super::Stand;
use crate::world::LIMITS;

const PIDS: Limits = Limits { pids: 7, ..LIMITS };

async fn bounded(kind: &str) {
    let mut stand = Stand::new(program!("processes"), PIDS).await;
    stand.passes(json!({"kind": kind, "count": 7})).await;
    let words = "at most 7 processes and threads besides its first";
    let input = json!({"kind": kind, "count": 8});
    stand
        .meets(input, FailureCode::TooManyProcesses, words)
        .await;
    // Meeting the bound costs no sandbox.
    assert!(stand.sandbox.as_ref().unwrap().is_reusable());
    stand.stays_well(json!({"kind": kind, "count": 7})).await;
}

#[tokio::test]
async fn the_plan_s_processes_can_all_be_used_and_one_more_can_not() {
    bounded("processes").await;
}

#[tokio::test]
async fn threads_are_counted_as_processes_are() {
    bounded("threads").await;
}
