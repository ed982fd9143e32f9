//! Limits are enforced from outside, and each ends an execution under its own code.

use std::time::{Duration, Instant};

use jail::{Code, FailureCode, Limits};

use crate::world::{IMPORT, LIMITS, failure, host, output, request, run, sandbox};

#[tokio::test]
async fn a_time_out_is_not_swallowed_and_what_was_printed_before_is_in_the_log() {
    let host = host();
    let source = "import time\ndef main():\n    print('before', end='')\n    while True:\n        try: time.sleep(9)\n        except BaseException: pass";
    // A slow host has not come to the first line that soon: ten times as long then.
    for timeout in [300, 3_000, 30_000].map(Duration::from_millis) {
        let mut sandbox = sandbox(&host, source).await;
        let mut asked = request("{}");
        asked.timeout = timeout;
        let begun = Instant::now();
        let done = sandbox.run(asked).await.unwrap();
        assert_eq!(failure(&done).code, FailureCode::Timeout);
        assert!(!done.reusable);
        assert!(begun.elapsed() < timeout + Duration::from_secs(10));
        if !done.stdout.is_empty() {
            assert_eq!(done.stdout, "before");
            return;
        }
    }
    panic!("what was printed before is lost");
}

#[tokio::test]
async fn memory_is_the_plan_s_on_top_of_what_the_import_uses() {
    let host = host();
    let source = "BALLAST = bytearray(80 << 20)\ndef main(n):\n    x = bytearray(n << 20)\n    return len(x)";
    let mut first = sandbox(&host, source).await;
    let done = run(&mut first, r#"{"n": 40}"#).await;
    assert_eq!(output(&done), (40 << 20).to_string());
    let peak = done.memory_peak >> 20;
    assert!((39..48).contains(&peak), "{peak} MiB");
    let done = run(&mut first, r#"{"n": 90}"#).await;
    assert_eq!(failure(&done).code, FailureCode::OutOfMemory);
    assert!(!done.reusable);
}

#[tokio::test]
async fn memory_of_files_and_of_several_processes_counts() {
    let host = host();
    for source in [
        "def main():\n    with open('/dev/shm/x', 'wb') as f:\n        while True: f.write(bytes(1 << 20))",
        "import os, time\ndef main():\n    for _ in range(8):\n        if os.fork() == 0:\n            x = b'x' * (20 << 20)\n            time.sleep(30)\n    time.sleep(30)",
        "import mmap\ndef main():\n    m = mmap.mmap(-1, 200 << 20)\n    for at in range(0, 200 << 20, 4096): m[at] = 1",
    ] {
        let mut limits = LIMITS;
        limits.memory_bytes = 32 << 20;
        let generic = host.boot().await.unwrap();
        let mut sandbox = generic
            .bind(&Code::single(source), &limits, IMPORT)
            .await
            .unwrap()
            .sandbox
            .unwrap();
        let done = run(&mut sandbox, "{}").await;
        // /dev/shm alone may be full first; then the code says so itself.
        assert!(
            done.result.is_err() && !sandbox.is_reusable(),
            "{source}: {:?}",
            done.result
        );
        assert_eq!(failure(&done).code, FailureCode::OutOfMemory, "{source}");
    }
}

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

#[tokio::test]
async fn processes_and_threads_are_bounded_and_say_so() {
    let host = host();
    for source in [
        "import os, time\ndef main():\n    while True:\n        if os.fork() == 0: time.sleep(30)",
        "import threading, time\ndef main():\n    while True: threading.Thread(target=time.sleep, args=(30,)).start()",
    ] {
        let mut sandbox = sandbox(&host, source).await;
        for _ in 0..2 {
            let done = run(&mut sandbox, "{}").await;
            assert_eq!(
                failure(&done).code,
                FailureCode::TooManyProcesses,
                "{source}: {:?}",
                failure(&done)
            );
            assert!(done.reusable);
        }
    }
}

#[tokio::test]
async fn the_plan_s_processes_can_all_be_used() {
    let host = host();
    let source = "import os, time\ndef main(n):\n    pids = []\n    for _ in range(n):\n        pid = os.fork()\n        if pid == 0:\n            time.sleep(30)\n        pids.append(pid)\n    return len(pids)";
    let mut sandbox = sandbox(&host, source).await;
    assert_eq!(output(&run(&mut sandbox, r#"{"n": 15}"#).await), "15");
    let done = run(&mut sandbox, r#"{"n": 17}"#).await;
    assert_eq!(failure(&done).code, FailureCode::TooManyProcesses);
}

#[tokio::test]
async fn scratch_space_is_the_plan_s_by_bytes_and_by_files() {
    let host = host();
    let limits = Limits {
        scratch_bytes: 2 << 20,
        scratch_inodes: 64,
        ..LIMITS
    };
    for (source, good) in [
        (
            "def main(): return open('/tmp/x', 'wb').write(bytes((2 << 20) - 8192))",
            true,
        ),
        (
            "def main(): return open('/tmp/x', 'wb').write(bytes(3 << 20))",
            false,
        ),
        (
            "def main():\n    for n in range(50): open(f'/tmp/{n}', 'w').close()\n    return 1",
            true,
        ),
        (
            "def main():\n    for n in range(70): open(f'/tmp/{n}', 'w').close()",
            false,
        ),
    ] {
        let generic = host.boot().await.unwrap();
        let mut sandbox = generic
            .bind(&Code::single(source), &limits, IMPORT)
            .await
            .unwrap()
            .sandbox
            .unwrap();
        for _ in 0..2 {
            let done = run(&mut sandbox, "{}").await;
            match &done.result {
                Ok(_) => assert!(good, "{source}"),
                Err(failure) => assert!(
                    !good && failure.code == FailureCode::DiskFull,
                    "{failure:?}"
                ),
            }
            assert!(done.reusable);
        }
    }
}

#[tokio::test]
async fn cpu_is_held_to_the_plan_and_counted_exactly() {
    let host = host();
    let source = "import time\ndef main():\n    end = time.process_time() + 0.1\n    while time.process_time() < end: pass";
    let limits = Limits {
        cpu_percent: 20,
        ..LIMITS
    };
    let generic = host.boot().await.unwrap();
    let mut sandbox = generic
        .bind(&Code::single(source), &limits, IMPORT)
        .await
        .unwrap()
        .sandbox
        .unwrap();
    let done = run(&mut sandbox, "{}").await;
    assert!(done.cpu >= Duration::from_millis(95), "{:?}", done.cpu);
    // A fifth of a core: 100 ms take at least 300.
    assert!(
        done.duration >= Duration::from_millis(300),
        "{:?}",
        done.duration
    );
}

#[tokio::test]
async fn cpu_of_an_orphan_is_counted() {
    let host = host();
    let source = "import os, time\ndef main():\n    r, w = os.pipe()\n    if os.fork() == 0:\n        end = time.process_time() + 0.1\n        while time.process_time() < end: pass\n        os.write(w, b'x')\n        os._exit(0)\n    os.read(r, 1)\n    return 1";
    let mut sandbox = sandbox(&host, source).await;
    let done = run(&mut sandbox, "{}").await;
    assert!(done.cpu >= Duration::from_millis(95), "{:?}", done.cpu);
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
    drop(all);
}
