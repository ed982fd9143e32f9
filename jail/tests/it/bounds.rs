//! Bounds on imports and sandboxes, and what kills an execution from outside. The limits of
//! executions are in `limits/`.

use std::time::Duration;

use jail::{Code, FailureCode};

use crate::world::{IMPORT, LIMITS, failure, host, output, request, run, sandbox};

#[tokio::test]
async fn an_import_that_needs_too_much_memory_or_time_is_an_import_error() {
    let host = host();
    for (source, within, words) in [
        (
            "x = bytearray(600 << 20)\ndef main(): pass",
            IMPORT,
            "512 MiB",
        ),
        (
            "while True: pass\ndef main(): pass",
            Duration::from_millis(300),
            "longer than 300 ms",
        ),
    ] {
        let generic = host.boot().await.unwrap();
        let bound = generic
            .bind(&Code::single(source), &LIMITS, within)
            .await
            .unwrap();
        let failure = bound.sandbox.unwrap_err();
        assert_eq!(failure.code, FailureCode::ImportError);
        assert!(failure.message.contains(words), "{failure:?}");
    }
}

/// Whether a process has taken this name (`PR_SET_NAME`).
fn runs(name: &str) -> bool {
    let names = std::fs::read_dir("/proc").unwrap().flatten();
    let mut names =
        names.filter_map(|process| std::fs::read_to_string(process.path().join("comm")).ok());
    names.any(|found| found.trim_end() == name)
}

#[tokio::test]
async fn a_killer_ends_an_execution_as_cancelled_and_is_harmless_later() {
    let host = host();
    let mut sandbox = sandbox(&host, "import ctypes, signal, time\ndef main():\n    for s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\n    ctypes.CDLL(None).prctl(15, b'killed-soon')\n    time.sleep(60)").await;
    let killer = sandbox.killer();
    let asked = request("{}");
    let (done, ()) = tokio::join!(sandbox.run(asked), async {
        while !runs("killed-soon") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        killer.kill();
    });
    let done = done.unwrap();
    assert_eq!(failure(&done).code, FailureCode::Cancelled);
    assert!(!sandbox.is_reusable());
    drop(sandbox);
    killer.kill();
}

#[tokio::test]
async fn a_dropped_execution_leaves_no_usable_sandbox() {
    let host = host();
    let mut sandbox = sandbox(&host, "import time\ndef main(): time.sleep(60)").await;
    let cut = tokio::time::timeout(Duration::from_millis(50), sandbox.run(request("{}"))).await;
    assert!(cut.is_err() && !sandbox.is_reusable());
    assert!(sandbox.run(request("{}")).await.is_err());
}

#[tokio::test]
async fn crashes_are_killed_and_the_next_call_is_well() {
    let host = host();
    let mut sandbox = sandbox(&host, "import os, ctypes\ndef main(n):\n    if n == 0: os.abort()\n    if n == 1: ctypes.string_at(0)\n    if n == 2: os.kill(os.getpid(), 9)\n    return n").await;
    for n in 0..3 {
        let done = run(&mut sandbox, &format!("{{\"n\": {n}}}")).await;
        assert_eq!(failure(&done).code, FailureCode::Killed);
        assert!(done.reusable);
    }
    assert_eq!(output(&run(&mut sandbox, r#"{"n": 3}"#).await), "3");
}

#[tokio::test]
async fn no_more_sandboxes_live_than_may() {
    let host = host();
    let mut all = Vec::new();
    for _ in 0..8 {
        all.push(host.boot().await.unwrap());
    }
    assert!(host.boot().await.is_err());
    // Who comes when one of them is dying waits for its place.
    for _ in 0..5 {
        all.pop();
        all.push(host.boot().await.unwrap());
    }
}
