//! What comes out, and what goes in.

use jail::FailureCode;
use serde_json::json;

use super::{Stand, tells};
use crate::world::{LIMITS, OUTPUT, output, request};

const FLOOD: usize = 64 << 20;

#[tokio::test]
async fn a_result_on_the_bound_is_whole_and_one_byte_more_is_too_large() {
    let mut stand = Stand::new(program!("output"), LIMITS).await;
    let result = |count: usize| json!({"what": "result", "count": count});
    let done = stand.passes(result(OUTPUT)).await;
    assert_eq!(output(&done).len(), OUTPUT);
    let words = "1048577 bytes of JSON; at most 1048576 are taken";
    let over = result(OUTPUT + 1);
    stand.meets(over, FailureCode::OutputTooLarge, words).await;
    // Far past it too: what is told is the limit that was met, not what it cost to meet it.
    let input = result(16 * OUTPUT).to_string();
    let done = stand.runs(request(&input)).await;
    tells(
        &done,
        FailureCode::OutputTooLarge,
        "at most 1048576 are taken",
    );
    stand.stays_well(result(2)).await;
}

#[tokio::test]
async fn printing_64_mib_is_only_cut_and_one_byte_more_ends_it() {
    let mut stand = Stand::new(program!("output"), LIMITS).await;
    let print = |count: usize| json!({"what": "print", "count": count});
    let done = stand.passes(print(FLOOD)).await;
    assert!(done.truncated && done.stdout.len() + done.stderr.len() <= 512 << 10);
    let words = "more than 64 MiB";
    let code = FailureCode::OutputTooLarge;
    stand.meets(print(FLOOD + 1), code, words).await;
    stand.stays_well(print(1)).await;
}

/// The api refuses a longer one (413, `api/tests/it/problems.rs`) before it is an execution.
#[tokio::test]
async fn an_input_of_a_mebibyte_arrives_whole() {
    let mut stand = Stand::new(program!("output"), LIMITS).await;
    let around = json!({"what": "count", "count": 0, "given": ""})
        .to_string()
        .len();
    let given = (1 << 20) - around;
    let input = json!({"what": "count", "count": 0, "given": "x".repeat(given)});
    assert_eq!(input.to_string().len(), 1 << 20);
    let done = stand.passes(input.clone()).await;
    assert_eq!(output(&done), given.to_string());
    stand.stays_well(input).await;
}
