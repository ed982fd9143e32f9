//! Memory, by every road to it.

use jail::{FailureCode, Limits};
use serde_json::json;

use super::Stand;
use crate::world::LIMITS;

const MEMORY: Limits = Limits {
    memory_bytes: 32 << 20,
    // Not what is met here.
    scratch_bytes: 64 << 20,
    pids: 128,
    ..LIMITS
};

/// The kernel's own bookkeeping counts: it leaves less room where many small things are held.
async fn road(road: &str, under: u64, over: u64) {
    let mut stand = Stand::new(program!("memory"), MEMORY).await;
    stand.passes(json!({"road": road, "mib": under})).await;
    let words = "more memory than its limit of 32 MiB";
    let input = json!({"road": road, "mib": over});
    stand.meets(input, FailureCode::OutOfMemory, words).await;
    stand.stays_well(json!({"road": road, "mib": under})).await;
}

#[tokio::test]
async fn the_heap_holds_the_plan_s_memory_and_no_more() {
    road("heap", 30, 38).await;
}

#[tokio::test]
async fn shared_pages_count() {
    road("shared", 30, 38).await;
}

#[tokio::test]
async fn files_in_memory_count() {
    road("memfd", 30, 38).await;
}

#[tokio::test]
async fn files_in_tmp_count() {
    road("tmp", 30, 38).await;
}

#[tokio::test]
async fn files_in_shared_memory_count() {
    road("shm", 30, 38).await;
}

#[tokio::test]
async fn what_is_in_pipes_counts() {
    road("pipes", 30, 38).await;
}

#[tokio::test]
async fn what_is_in_sockets_counts() {
    road("sockets", 24, 38).await;
}

#[tokio::test]
async fn many_small_processes_count_together() {
    road("processes", 12, 38).await;
}

/// All but two MiB of it can be used, whatever the import holds.
#[tokio::test]
async fn the_plan_s_memory_is_on_top_of_what_the_import_uses() {
    let source = format!("{}\nBALLAST = heap(80)\n", program!("memory"));
    let mut stand = Stand::new(&source, MEMORY).await;
    stand.passes(json!({"road": "heap", "mib": 30})).await;
    let over = json!({"road": "heap", "mib": 38});
    stand.meets(over, FailureCode::OutOfMemory, "32 MiB").await;
    stand.stays_well(json!({"road": "heap", "mib": 30})).await;
}
