//! The native loop does what the one in Python does: same programs, same outcomes.

use jail::{Code, Done, Verdict};
use serde_json::Value;

use crate::world::{IMPORT, LIMITS, World, failure, host, output, run, sandbox, weakened};

/// What of an outcome must be equal. The log of a killed process may be cut anywhere.
fn told(done: &Done) -> String {
    let result = match &done.result {
        Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Err(failure) => format!("{failure:?}"),
    };
    format!(
        "{result}\n{}\n{}\n{} {}",
        done.stdout, done.stderr, done.truncated, done.reusable
    )
}

async fn outcomes(host: &World, source: &str, input: &str) -> Vec<String> {
    let mut sandbox = sandbox(host, source).await;
    let mut all = Vec::new();
    while all.len() < 3 && sandbox.is_reusable() {
        all.push(told(&run(&mut sandbox, input).await));
    }
    all
}

#[tokio::test]
async fn both_loops_end_every_program_alike() {
    let native = host();
    let python = weakened(|profile| profile.native = false);
    for (source, input) in [
        ("def main(n): return n + 1", r#"{"n": 1}"#),
        ("def main(n): return n + 1", "[1]"),
        (
            "import os\ndef main(): return [os.getresuid(), os.getresgid(), os.getgroups(), os.getpgrp() == os.getpid()]",
            "{}",
        ),
        (
            "def main():\n    with open('/proc/self/status') as f: return [l for l in f if l.startswith(('Cap', 'NoNew', 'Seccomp:', 'Groups', 'SigI', 'SigB', 'SigC'))]",
            "{}",
        ),
        (
            "import os\ndef main(): return sorted(int(n) for n in os.listdir('/proc/self/fd'))",
            "{}",
        ),
        (
            "import os, resource\ndef main(): return [dict(os.environ), os.getcwd(), os.umask(0), resource.getrlimit(11)]",
            "{}",
        ),
        (
            "import sys\ndef main():\n    print('out'); print('err', file=sys.stderr)\n    raise ValueError('x')",
            "{}",
        ),
        ("import os\ndef main(): os._exit(3)", "{}"),
        ("import os\ndef main(): os.abort()", "{}"),
        ("import sys\ndef main(): sys.exit('text')", "{}"),
        (
            "import os\ndef main():\n    if os.fork() == 0: return 'child'\n    os.wait()\n    return 'parent'",
            "{}",
        ),
        (
            "import os\ndef main():\n    os.close(3)\n    return 1",
            "{}",
        ),
        (
            "import os\ndef main():\n    os.write(3, b'junk')\n    return 1",
            "{}",
        ),
        (
            "import subprocess\ndef main():\n    subprocess.Popen(['sleep', '60'])\n    open('/tmp/left', 'w').close()\n    return 1",
            "{}",
        ),
        (
            "import signal\ndef main(): return [str(signal.getsignal(s)).split(' at ')[0] for s in (2, 13, 15)]",
            "{}",
        ),
        ("def main(): return '\\ud800'", "{}"),
        ("async def main(): return 1", "{}"),
        ("result = input", "[1, {\"a\": null}]"),
        (
            "def main(s): return s",
            &format!("{{\"s\": \"{}\"}}", "é".repeat(200_000)),
        ),
        (
            "import sys\ndef main():\n    sys.stdout.close()\n    sys.stderr = None\n    return 1",
            "{}",
        ),
        (
            "import builtins, os\ndef main():\n    os.getpid = builtins.len = None\n    return 1",
            "{}",
        ),
    ] {
        let expected = outcomes(&python, source, input).await;
        assert_eq!(outcomes(&native, source, input).await, expected, "{source}");
    }
}

/// The schema says "any value" exactly where the code gets any value.
#[tokio::test]
async fn what_the_schema_lets_through_is_what_main_is_given() {
    let host = host();
    for source in [
        "def main(input): return input",
        "def main(event): return event",
        "def main(input: dict): return input",
        "from typing import Any\ndef main(event: Any): return event",
        "from __future__ import annotations\ndef main(input: dict): return input",
        "def main(input: int): return input",
        "def main(input: list): return input",
        "def main(input=None): return input",
        "def main(*, input): return input",
        "def main(*input): return input",
        "def main(**input): return input",
        "def main(input, /): return input",
        "def main(input, event): return input",
        "def main(data): return data",
        "def main(x: str): return x",
        "import functools\ndef d(f):\n    @functools.wraps(f)\n    def g(*a, **k): return f(*a, **k)\n    return g\n@d\ndef main(input): return input",
        "class M:\n    def __call__(self, input): return input\nmain = M()",
        "main = lambda input: input",
        "import functools\nmain = functools.partial(lambda a, input: input, 1)",
    ] {
        let code = Code::single(source);
        let generic = host.boot().await.unwrap();
        let verdict = generic
            .describe(&code, &LIMITS, IMPORT)
            .await
            .unwrap()
            .verdict;
        let Verdict::Described(described) = verdict else {
            panic!("{source}: {verdict:?}");
        };
        let schema: Value =
            serde_json::from_str(described.input_schema.as_deref().unwrap_or("{}")).unwrap();
        let takes_whole = schema.get("properties").is_none();
        let mut sandbox = sandbox(&host, source).await;
        let done = run(&mut sandbox, r#"{"other": 1}"#).await;
        if takes_whole {
            assert_eq!(output(&done), r#"{"other":1}"#, "{source}");
        } else if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
            assert!(
                failure(&done).message.contains("other")
                    || failure(&done).message.contains("argument"),
                "{source}"
            );
        }
    }
}
