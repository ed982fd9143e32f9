//! A version's import is hostile too: what it does to its sandbox concerns itself alone.

use std::time::{Duration, Instant};

use jail::{Code, FailureCode};

use crate::world::{IMPORT, LIMITS, failure, host, output, run, sandbox};

const FRAMES: &str = "import os, struct\n\
    def send(kind, body): os.write(3, struct.pack('>BBHIQ', 1, kind, 0, len(body), 0) + body)\n";

async fn refused(source: &str, within: Duration, words: &str) {
    let host = host();
    let mut other = sandbox(&host, "def main(): return 2").await;
    let generic = host.boot().await.unwrap();
    let begun = Instant::now();
    let bound = generic
        .bind(&Code::single(source), &LIMITS, within)
        .await
        .unwrap();
    let failure = bound.sandbox.unwrap_err();
    assert_eq!(failure.code, FailureCode::ImportError);
    assert!(failure.message.contains(words), "{source}: {failure:?}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(output(&run(&mut other, "{}").await), "2");
}

#[tokio::test]
async fn junk_on_the_control_socket_is_an_import_error() {
    refused(
        "import os\nos.write(3, b'junk' * 100)\ndef main(): pass",
        IMPORT,
        "disturbed",
    )
    .await;
    let long = format!(
        "{FRAMES}os.write(3, struct.pack('>BBHIQ', 1, 17, 0, 0xFFFFFFFF, 0))\ndef main(): pass"
    );
    refused(&long, IMPORT, "disturbed").await;
    let endless = format!("{FRAMES}while True: send(18, bytes(8))\ndef main(): pass");
    refused(&endless, IMPORT, "disturbed").await;
}

#[tokio::test]
async fn an_import_that_ends_or_leaves_its_process_is_an_import_error() {
    for source in [
        "import os\nos.close(3)\ndef main(): pass",
        "import os\nif os.fork(): os._exit(0)\ndef main(): pass",
        "import os\nos.abort()\ndef main(): pass",
        "import ctypes\nctypes.string_at(0)\ndef main(): pass",
    ] {
        refused(source, IMPORT, "ended its process").await;
    }
}

/// Else the worker would try it in one sandbox after the other, for ever.
#[tokio::test]
async fn a_version_that_dies_after_its_import_is_its_own_failure() {
    let host = host();
    for after in ["0", "0.001", "0.02"] {
        let source = format!(
            "import os, threading\nthreading.Timer({after}, os._exit, (0,)).start()\ndef main():\n    import time\n    time.sleep(5)"
        );
        for _ in 0..3 {
            let generic = host.boot().await.unwrap();
            let bound = generic
                .bind(&Code::single(&source), &LIMITS, IMPORT)
                .await
                .unwrap();
            let code = match bound.sandbox {
                Ok(mut sandbox) => failure(&run(&mut sandbox, "{}").await).code,
                Err(failure) => failure.code,
            };
            let own = [
                FailureCode::ImportError,
                FailureCode::Killed,
                FailureCode::Exit,
            ];
            assert!(own.contains(&code), "{code:?}");
        }
    }
}

#[tokio::test]
async fn a_process_that_the_import_forked_is_never_the_template() {
    let host = host();
    let source = "import os\nP = os.fork()\nif P: os.waitpid(P, 0)\ndef main(): return [P > 0, os.getppid()]";
    let mut sandbox = sandbox(&host, source).await;
    for _ in 0..2 {
        assert_eq!(output(&run(&mut sandbox, "{}").await), "[true,1]");
    }
}

#[tokio::test]
async fn an_import_that_prints_without_end_is_ended_in_time() {
    let source = "while True: print('x' * 1000)\ndef main(): pass";
    refused(source, Duration::from_millis(500), "longer than").await;
}

#[tokio::test]
async fn words_forged_in_the_template_s_name_spoil_its_own_calls_only() {
    let host = host();
    let source = format!(
        "{FRAMES}send(17, b'{{\"entry\": \"main\", \"single_use\": null}}')\nsend(18, bytes(8))\ndef main(): return 1"
    );
    let generic = host.boot().await.unwrap();
    let bound = generic
        .bind(&Code::single(source), &LIMITS, IMPORT)
        .await
        .unwrap();
    let mut forged = bound.sandbox.unwrap();
    let done = run(&mut forged, "{}").await;
    // Its own result is the most it can get, where the answer was quicker than the forgery.
    match &done.result {
        Ok(result) => assert_eq!(result, b"1"),
        Err(failure) => assert!(
            matches!(failure.code, FailureCode::Killed | FailureCode::Exit),
            "{failure:?}"
        ),
    }
    let mut other = sandbox(&host, "def main(): return 2").await;
    assert_eq!(output(&run(&mut other, "{}").await), "2");
}

#[tokio::test]
async fn an_import_can_not_take_the_executions_uid_or_keep_its_own_rights_in_them() {
    let host = host();
    let mut taken = sandbox(
        &host,
        "import os\nos.setresuid(1001, 1001, 1001)\ndef main(): return os.getresuid()",
    )
    .await;
    // Such a version is single-use: nothing is forked from a template that isn't itself.
    let done = run(&mut taken, "{}").await;
    assert!(!done.reusable);
    assert_eq!(output(&done), "[1001,1001,1001]");
    let source = "import os\ndef caps():\n    with open('/proc/self/status') as f: return [l.split()[1] for l in f if l.startswith('CapEff')]\nTHEN = caps()\ndef main(): return [THEN, caps()]";
    let mut rights = sandbox(&host, source).await;
    assert_eq!(
        output(&run(&mut rights, "{}").await),
        r#"[["00000000000000e0"],["0000000000000000"]]"#
    );
}
