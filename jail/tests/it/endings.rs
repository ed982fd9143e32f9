//! How executions end: exits, exceptions, coroutines, what they leave running.

use std::time::{Duration, Instant};

use jail::FailureCode;

use crate::world::{failure, host, once, output, run, sandbox};

#[tokio::test]
async fn exits_are_failures_with_status_and_text() {
    let host = host();
    for (statement, status, text) in [
        ("sys.exit('bad input')", 1, "bad input"),
        ("raise SystemExit(0)", 0, "status 0"),
        ("raise SystemExit", 0, "status 0"),
        ("exit(3)", 3, "status 3"),
        ("quit()", 0, "status 0"),
        ("os._exit(9)", 9, "status 9"),
    ] {
        let mut sandbox = sandbox(&host, &format!("import os, sys\ndef main(): {statement}")).await;
        let done = run(&mut sandbox, "{}").await;
        let failure = failure(&done);
        assert_eq!(
            (failure.code, failure.exit_code),
            (FailureCode::Exit, Some(status)),
            "{statement}"
        );
        assert!(failure.message.contains(text), "{failure:?}");
        assert!(done.reusable, "{statement}");
    }
}

#[tokio::test]
async fn an_exit_in_a_thread_ends_that_thread_only() {
    let source = "import threading, sys\ndef main():\n    t = threading.Thread(target=sys.exit, args=(4,))\n    t.start(); t.join()\n    return 1";
    assert_eq!(output(&once(source, "{}").await), "1");
}

#[tokio::test]
async fn a_keyboard_interrupt_is_an_exception_and_the_sandbox_lives() {
    let host = host();
    let mut sandbox = sandbox(
        &host,
        "def main(n):\n    if n: return n\n    raise KeyboardInterrupt",
    )
    .await;
    let done = run(&mut sandbox, r#"{"n": 0}"#).await;
    assert_eq!(failure(&done).code, FailureCode::Exception);
    assert_eq!(failure(&done).kind.as_deref(), Some("KeyboardInterrupt"));
    assert_eq!(output(&run(&mut sandbox, r#"{"n": 1}"#).await), "1");
}

#[tokio::test]
async fn odd_exceptions_leave_as_text() {
    let host = host();
    for (source, kind, words) in [
        (
            "class E(Exception):\n    def __str__(self): raise ValueError\ndef main(): raise E",
            "E",
            "could not be made",
        ),
        (
            "class E(Exception):\n    def __init__(self, a, b): super().__init__(f'{a}-{b}')\ndef main(): raise E(1, 2)",
            "E",
            "1-2",
        ),
        (
            "def main(): raise ValueError('\\udce9')",
            "ValueError",
            "\u{fffd}",
        ),
        (
            "def main(): raise ValueError('a\\0b')",
            "ValueError",
            "a\0b",
        ),
        (
            "class E(BaseException): pass\ndef main(): raise E('x')",
            "E",
            "x",
        ),
        ("def main(): return main()", "RecursionError", "recursion"),
        (
            "import asyncio\nasync def main(): raise asyncio.CancelledError('mine')",
            "asyncio.exceptions.CancelledError",
            "mine",
        ),
        (
            "class E(SystemExit):\n    @property\n    def code(self): raise ValueError\ndef main(): raise E('x')",
            "E",
            "x",
        ),
        (
            "class E(OSError):\n    @property\n    def errno(self): raise ValueError\ndef main(): raise E('x')",
            "E",
            "x",
        ),
    ] {
        let mut sandbox = sandbox(&host, source).await;
        let done = run(&mut sandbox, "{}").await;
        let failure = failure(&done);
        assert_eq!(failure.code, FailureCode::Exception, "{source}");
        assert_eq!(failure.kind.as_deref(), Some(kind), "{source}");
        assert!(failure.message.contains(words), "{failure:?}");
    }
}

#[tokio::test]
async fn causes_and_groups_are_in_the_traceback() {
    let source = "def main():\n    try:\n        1 / 0\n    except ZeroDivisionError as e:\n        raise ExceptionGroup('several', [ValueError('one'), KeyError('two')]) from e";
    let done = once(source, "{}").await;
    let text = failure(&done).traceback.clone().unwrap();
    for words in [
        "ZeroDivisionError",
        "direct cause",
        "ValueError: one",
        "KeyError: 'two'",
    ] {
        assert!(text.contains(words), "{text}");
    }
}

#[tokio::test]
async fn coroutines_are_awaited_on_a_loop_of_their_own() {
    let host = host();
    let source = "import asyncio\nlock = asyncio.Lock()\nasync def main():\n    async with lock: await asyncio.sleep(0.001)\n    return 1";
    let mut held = sandbox(&host, source).await;
    for _ in 0..2 {
        assert_eq!(output(&run(&mut held, "{}").await), "1");
    }
    for source in [
        "import functools, asyncio\ndef deco(f):\n    @functools.wraps(f)\n    def inner(*a, **k): return f(*a, **k)\n    return inner\n@deco\nasync def main(): return 1",
        "import asyncio\nasync def job(): return 1\ndef main(): return asyncio.run(job())",
        "import asyncio\nasync def forever():\n    await asyncio.sleep(1000)\nasync def main():\n    asyncio.create_task(forever())\n    return 1",
        "import asyncio, time\nasync def main():\n    asyncio.get_running_loop().run_in_executor(None, time.sleep, 100)\n    return 1",
        "async def main(): return 1",
    ] {
        let mut sandbox = sandbox(&host, source).await;
        assert_eq!(output(&run(&mut sandbox, "{}").await), "1", "{source}");
    }
}

/// Imported by each child it would cost 30 ms a call.
#[tokio::test]
async fn the_loop_s_module_is_there_before_the_call_of_what_may_be_awaited() {
    let host = host();
    let plain = "import functools, sys\ndef deco(f):\n    @functools.wraps(f)\n    def inner(): return f('asyncio' in sys.modules)\n    return inner\n@deco\nasync def main(there): return there";
    let script = "import sys\nthere = 'asyncio' in sys.modules\nasync def job(): return there\nresult = job()";
    for (source, answer) in [
        (plain, "true"),
        (script, "true"),
        (
            "import sys\ndef main(): return 'asyncio' in sys.modules",
            "false",
        ),
    ] {
        let mut sandbox = sandbox(&host, source).await;
        assert_eq!(output(&run(&mut sandbox, "{}").await), answer, "{source}");
    }
}

#[tokio::test]
async fn what_is_left_running_neither_delays_nor_survives() {
    let host = host();
    for source in [
        "import subprocess\ndef main():\n    subprocess.Popen(['sleep', '30'])\n    return 1",
        "import threading, time\ndef forever():\n    while True: time.sleep(1)\ndef main():\n    threading.Thread(target=forever).start()\n    return 1",
        "import os, time\ndef main():\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0: time.sleep(30)\n        os._exit(0)\n    return 1",
    ] {
        let mut sandbox = sandbox(&host, source).await;
        for _ in 0..2 {
            let begun = Instant::now();
            let done = run(&mut sandbox, "{}").await;
            assert_eq!(output(&done), "1");
            assert!(done.reusable, "{source}");
            assert!(begun.elapsed() < Duration::from_secs(15));
        }
    }
}

#[tokio::test]
async fn a_forked_child_that_returns_never_answers() {
    let source = "import os\ndef main():\n    if os.fork() == 0: return 'child'\n    os.wait()\n    return 'parent'";
    let done = once(source, "{}").await;
    assert_eq!(output(&done), "\"parent\"");
    assert!(done.reusable);
}

#[tokio::test]
async fn the_answer_depends_on_nothing_that_code_can_patch() {
    let host = host();
    for (source, answer) in [
        (
            "import json\ndef main():\n    json.dumps = None\n    json.loads = None\n    return {'x': 1}",
            r#"{"x":1}"#,
        ),
        (
            "import sys\ndef main():\n    sys.stdout.close()\n    return 1",
            "1",
        ),
        (
            "import sys\ndef main():\n    sys.stdout = sys.stderr = None\n    return 1",
            "1",
        ),
        (
            "import builtins\ndef main():\n    builtins.len = builtins.type = builtins.isinstance = None\n    return [1]",
            "[1]",
        ),
        (
            "import sys\ndef main():\n    sys.modules.clear()\n    return [1]",
            "[1]",
        ),
        (
            "import os\ndef main():\n    os.write = os.getpid = None\n    return [1]",
            "[1]",
        ),
        (
            "import posix\ndef main():\n    for name in list(vars(posix)): setattr(posix, name, None)\n    return [1]",
            "[1]",
        ),
        (
            "import sys\ndef main():\n    sys.settrace(lambda *a: 1 / 0)\n    return [1, {2}]",
            "[1,[2]]",
        ),
        (
            "import sys\ndef main():\n    sys.setrecursionlimit(12)\n    return [[[[1]]]]",
            "[[[[1]]]]",
        ),
        (
            "import sys\ndef main():\n    sys.set_int_max_str_digits(640)\n    return [10**700 - 10**700, 10**699]",
            &format!("[0,1{}]", "0".repeat(699)),
        ),
        (
            "import sys\nclass S:\n    def flush(self): raise SystemExit(3)\ndef main():\n    sys.stdout = S()\n    return 1",
            "1",
        ),
    ] {
        let mut sandbox = sandbox(&host, source).await;
        assert_eq!(output(&run(&mut sandbox, "{}").await), answer, "{source}");
    }
}
