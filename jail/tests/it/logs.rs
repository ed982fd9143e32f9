//! Descriptors 1 and 2 are the log, whoever writes.

use jail::limits::LOG_BYTES;

use crate::world::{host, once, output, run, sandbox, weakened};

#[tokio::test]
async fn everything_written_below_python_is_in_the_log_in_order() {
    let source = "import os, subprocess, ctypes\ndef main():\n    print('a')\n    os.write(1, b'b\\n')\n    subprocess.run(['echo', 'c'])\n    ctypes.CDLL(None).puts(b'd')\n    return 1";
    let done = once(source, "{}").await;
    assert_eq!(output(&done), "1");
    assert_eq!(done.stdout, "a\nb\nc\nd\n");
}

#[tokio::test]
async fn logging_is_the_user_s_to_configure() {
    let source = "import logging\ndef main():\n    logging.basicConfig(level=logging.INFO)\n    logging.info('hi')";
    let done = once(source, "{}").await;
    assert!(done.stderr.contains("hi") && done.stdout.is_empty());
}

#[tokio::test]
async fn what_a_stream_of_the_code_s_own_holds_back_is_in_the_log() {
    let wrapped =
        "sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, 'w', closefd=False)))";
    for source in [
        format!("import io, sys\ndef main():\n    {wrapped}\n    print('held')"),
        format!("import io, sys\n{wrapped}\ndef main():\n    print('held')"),
        format!("import io, sys\n{wrapped}\ndef main():\n    print('held')\n    sys.stdout = None"),
        "import io, sys\nsys.stdout.reconfigure(write_through=False)\nsys.stdout = io.StringIO()\ndef main(): print('held', file=sys.__stdout__)"
            .to_owned(),
        "import sys\ndef main():\n    sys.stdout.reconfigure(write_through=False)\n    print('held')"
            .to_owned(),
    ] {
        for host in [host(), weakened(|profile| profile.native = false)] {
            let mut sandbox = sandbox(&host, &source).await;
            assert_eq!(run(&mut sandbox, "{}").await.stdout, "held\n", "{source}");
        }
    }
}

#[tokio::test]
async fn an_interrupt_is_an_exception_in_each_execution() {
    let host = host();
    let mut sandbox = sandbox(
        &host,
        "import signal\ndef main():\n    try:\n        signal.raise_signal(signal.SIGINT)\n    except KeyboardInterrupt:\n        return 'caught'",
    )
    .await;
    for _ in 0..2 {
        assert_eq!(output(&run(&mut sandbox, "{}").await), r#""caught""#);
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_become_replacements() {
    let source = "import sys\ndef main():\n    sys.stdout.buffer.write(b'\\xff\\n')\n    print('\\ud800')\n    print('a\\0b')";
    let done = once(source, "{}").await;
    assert_eq!(output(&done), "null");
    assert_eq!(done.stdout, "\u{fffd}\n\u{fffd}\na\0b\n");
}

#[tokio::test]
async fn much_output_is_cut_between_characters_and_does_no_harm() {
    let source = "def main():\n    print('é' * 1_000_000)\n    return 1";
    let done = once(source, "{}").await;
    assert_eq!(output(&done), "1");
    assert!(done.truncated && done.reusable);
    assert!(done.stdout.len() <= LOG_BYTES && done.stdout.len() > LOG_BYTES - 100);
    assert!(done.stdout.contains("[cut: 2000001 bytes") && !done.stdout.contains('\u{fffd}'));
}

#[tokio::test]
async fn text_that_grows_by_replacements_is_cut_and_says_so() {
    let done = once(
        "import os\ndef main(): os.write(1, b'\\xff' * 60_000); os.write(1, b'\\xff' * 60_000)",
        "{}",
    )
    .await;
    assert!(done.truncated && done.stdout.len() <= LOG_BYTES);
}

#[tokio::test]
async fn output_on_its_bound_is_whole() {
    let done = once(
        &format!("def main(): print('x' * {LOG_BYTES}, end='')"),
        "{}",
    )
    .await;
    assert!(!done.truncated && done.stdout.len() == LOG_BYTES);
    let done = once(
        &format!("def main(): print('x' * {}, end='')", LOG_BYTES + 1),
        "{}",
    )
    .await;
    assert!(done.truncated && done.stdout.contains("[cut"));
}

#[tokio::test]
async fn what_a_thread_or_child_prints_after_the_end_is_not_in_the_log() {
    let source = "import os, time, threading\ndef main():\n    if os.fork() == 0:\n        time.sleep(0.5)\n        print('late')\n        os._exit(0)\n    print('mine')";
    let done = once(source, "{}").await;
    assert_eq!(done.stdout, "mine\n");
}
