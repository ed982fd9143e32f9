//! Depth of the stack: the interpreter's own bound, and below it the kernel's.

use jail::FailureCode;
use serde_json::json;

use super::{Stand, tells};
use crate::world::{LIMITS, output};

#[tokio::test]
async fn python_s_own_depth_is_an_exception() {
    let mut stand = Stand::new(program!("stack"), LIMITS).await;
    let down = |depth: u32| json!({"way": "python", "depth": depth});
    assert_eq!(output(&stand.passes(down(900)).await), "900");
    let done = stand.called(&down(1_000)).await;
    tells(&done, FailureCode::Exception, "maximum recursion depth");
    assert!(done.reusable);
    stand.stays_well(down(900)).await;
}

/// With the interpreter's bound lifted, frames of Python are memory like any other.
#[tokio::test]
async fn a_bound_lifted_ends_in_the_plan_s_memory_or_in_the_kernel_s_stack() {
    let mut stand = Stand::new(program!("stack"), LIMITS).await;
    let lifted =
        |way: &str, depth: u32| json!({"way": way, "depth": depth, "limit": 1_000_000_000});
    stand.passes(lifted("python", 20_000)).await;
    stand.passes(lifted("c", 2_000)).await;
    let words = "more memory than its limit of 64 MiB";
    let endless = lifted("python", 100_000_000);
    stand.meets(endless, FailureCode::OutOfMemory, words).await;
    let deep = lifted("c", 1_000_000);
    stand.meets(deep, FailureCode::Killed, "SIGSEGV").await;
    stand.stays_well(lifted("c", 2_000)).await;
}
