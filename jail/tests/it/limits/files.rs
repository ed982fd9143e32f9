//! Room in `/tmp` by bytes and by files, and files open at once.

use jail::{FailureCode, Limits};
use serde_json::json;

use super::{Stand, tells};
use crate::world::{LIMITS, output};

const SCRATCH: Limits = Limits {
    scratch_bytes: 2 << 20,
    scratch_inodes: 64,
    ..LIMITS
};
/// In, out, err, and the channel to the worker.
const HELD: u64 = 4;
const OPEN: u64 = jail::limits::OPEN_FILES as u64;

/// The directory itself is one of the files that fit.
#[tokio::test]
async fn tmp_holds_the_plan_s_bytes_and_files_exactly() {
    for (what, most) in [("bytes", 2 << 20), ("files", 63)] {
        let mut stand = Stand::new(program!("files"), SCRATCH).await;
        stand.passes(json!({"what": what, "count": most})).await;
        let over = json!({"what": what, "count": most + 1});
        let words = "No space left on device";
        stand
            .meets(over.clone(), FailureCode::DiskFull, words)
            .await;
        let words = "/tmp holds 2 MiB in 64 files";
        stand.meets(over, FailureCode::DiskFull, words).await;
        assert!(stand.sandbox.as_ref().unwrap().is_reusable());
        stand.stays_well(json!({"what": what, "count": most})).await;
    }
}

#[tokio::test]
async fn a_full_disk_that_the_code_gets_over_is_no_failure() {
    let mut stand = Stand::new(program!("files"), SCRATCH).await;
    let done = stand
        .passes(json!({"what": "passed over", "count": 3 << 20}))
        .await;
    assert_eq!(output(&done), r#""No space left on device""#);
    stand
        .stays_well(json!({"what": "bytes", "count": 2 << 20}))
        .await;
}

/// There is no code of its own: it is the code's `OSError`, which says what it met.
#[tokio::test]
async fn a_process_opens_256_files_at_once_and_the_next_is_an_exception() {
    let mut stand = Stand::new(program!("files"), LIMITS).await;
    let open = |count: u64| json!({"what": "open", "count": count});
    stand.passes(open(OPEN - HELD)).await;
    for _ in 0..2 {
        let done = stand.called(&open(OPEN - HELD + 1)).await;
        tells(&done, FailureCode::Exception, "Too many open files");
        assert!(done.reusable);
    }
    stand.stays_well(open(OPEN - HELD)).await;
}
