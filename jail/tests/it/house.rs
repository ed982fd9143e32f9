//! The process as user code finds it.

use std::collections::HashSet;

use jail::{Context, FailureCode};

use crate::world::{failure, host, once, output, request, run, sandbox};

#[tokio::test]
async fn signals_are_as_plain_python_has_them() {
    let host = host();
    for (source, answer) in [
        (
            "import signal, time\nS = []\ndef main():\n    signal.signal(signal.SIGALRM, lambda *a: S.append(1))\n    signal.setitimer(signal.ITIMER_REAL, 0.05)\n    time.sleep(0.2)\n    return S",
            "[1]",
        ),
        (
            "import subprocess\ndef main(): return subprocess.run(['false']).returncode",
            "1",
        ),
        (
            "import signal\ndef main(): return [s.name for s in signal.valid_signals() if signal.getsignal(s) == signal.SIG_IGN]",
            "[\"SIGPIPE\",\"SIGXFSZ\"]",
        ),
        (
            "import signal\ndef main(): return len(signal.pthread_sigmask(signal.SIG_BLOCK, []))",
            "0",
        ),
        (
            "import signal\ndef main(): return signal.getsignal(signal.SIGINT) is signal.default_int_handler",
            "true",
        ),
    ] {
        let mut sandbox = sandbox(&host, source).await;
        assert_eq!(output(&run(&mut sandbox, "{}").await), answer, "{source}");
    }
}

#[tokio::test]
async fn standard_input_is_at_its_end() {
    let done = once("def main(): return __builtins__['input']('name? ')", "{}").await;
    assert_eq!(failure(&done).code, FailureCode::Exception);
    assert_eq!(failure(&done).kind.as_deref(), Some("EOFError"));
}

#[tokio::test]
async fn twins_draw_different_numbers_and_ids() {
    let host = host();
    let source = "import random, uuid, tempfile, secrets, ssl, os\ndef main(): return [random.random(), uuid.uuid4().hex, str(uuid.uuid1()), tempfile.mkdtemp(), secrets.token_hex(8), os.urandom(8).hex(), ssl.RAND_bytes(8).hex()]";
    let mut sandbox = sandbox(&host, source).await;
    let mut seen = HashSet::new();
    for _ in 0..10 {
        let done = run(&mut sandbox, "{}").await;
        for value in output(&done).trim_matches(['[', ']']).split(',') {
            assert!(seen.insert(value.to_owned()), "{value} twice");
        }
    }
}

#[tokio::test]
async fn the_house_is_furnished() {
    let host = host();
    for (source, answer) in [
        (
            "from pathlib import Path\nimport os\ndef main():\n    Path.home().joinpath('x').write_text('1')\n    return [str(Path.home()), os.getcwd(), os.path.expanduser('~')]",
            r#"["/tmp","/tmp","/tmp"]"#,
        ),
        (
            "import getpass, os, pwd\nNAMES = [getpass.getuser(), pwd.getpwuid(os.getuid()).pw_dir, os.path.expanduser('~')]\ndef main(): return NAMES",
            r#"["template","/tmp","/tmp"]"#,
        ),
        (
            "import getpass, os, pwd, grp\ndef main():\n    os.environ.clear()\n    return [getpass.getuser(), pwd.getpwuid(os.getuid()).pw_dir, grp.getgrgid(os.getgid()).gr_name]",
            r#"["sandbox","/tmp","sandbox"]"#,
        ),
        (
            "import socket, threading\ndef main():\n    s = socket.create_server(('localhost', 0))\n    c = socket.create_connection(s.getsockname())\n    c.sendall(b'hi')\n    return s.accept()[0].recv(2)",
            "\"aGk=\"",
        ),
        (
            "import socket\ndef main(): return [socket.gethostname(), socket.gethostbyname(socket.gethostname())]",
            r#"["sandbox","127.0.0.1"]"#,
        ),
        (
            "def main():\n    print('→')\n    return open('/tmp/a', 'w').write('é→')",
            "2",
        ),
        (
            "import subprocess, sys\ndef main(): return subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True, text=True).stdout",
            r#""1\n""#,
        ),
        (
            "import ssl\ndef main(): return ssl.create_default_context().cert_store_stats()['x509_ca'] > 0",
            "true",
        ),
        (
            "import time, datetime, zoneinfo\ndef main(): return [time.tzname[0], zoneinfo.ZoneInfo('Europe/Berlin').key]",
            r#"["UTC","Europe/Berlin"]"#,
        ),
        (
            "import sys, locale\ndef main(): return [sys.flags.utf8_mode, sys.getfilesystemencoding(), locale.getpreferredencoding(), sys.stdout.encoding]",
            r#"[1,"utf-8","utf-8","utf-8"]"#,
        ),
        (
            "import os\ndef main(): return [os.environ['OPENBLAS_NUM_THREADS'], len(os.sched_getaffinity(0)) <= 4]",
            r#"["1",true]"#,
        ),
        (
            "import sqlite3, decimal, ctypes, lzma, bz2, zlib, curses, asyncio, xml.etree.ElementTree, email, http.client\ndef main(): return 1",
            "1",
        ),
        (
            "import sys\ndef main(): return [m for m in sys.modules if 'patchbay' in m]",
            "[]",
        ),
    ] {
        let mut sandbox = sandbox(&host, source).await;
        assert_eq!(output(&run(&mut sandbox, "{}").await), answer, "{source}");
    }
}

#[tokio::test]
async fn handlers_and_scripts_get_their_context_and_main_does_not() {
    let host = host();
    let all = "[context.execution_id, context.namespace, context.function, context.version, context.attempt, context.deadline_ms, context.remaining_ms() > 60_000]";
    let deadline = 4_102_444_800_000;
    for source in [
        format!("def handler(input, context): return {all}"),
        format!("async def handler(input, context): return {all}"),
        format!("result = {all}"),
    ] {
        let mut sandbox = sandbox(&host, &source).await;
        for attempt in 1..3 {
            let mut request = request("null");
            request.context = Context {
                execution_id: "ex_1",
                namespace: "tools",
                function: "text.slug",
                version: 7,
                attempt,
                deadline_ms: deadline,
            };
            let done = sandbox.run(request).await.expect("it runs");
            assert_eq!(
                output(&done),
                format!(r#"["ex_1","tools","text.slug",7,{attempt},{deadline},true]"#)
            );
        }
    }
    let late = once(
        "def handler(input, context): return context.remaining_ms()",
        "null",
    );
    assert_eq!(output(&late.await), "0", "a deadline that is over");
    let done = once("def main(): return context", "{}").await;
    assert_eq!(failure(&done).kind.as_deref(), Some("NameError"));
}

#[tokio::test]
async fn nothing_of_the_host_shows() {
    let source = "import os\ndef read(path):\n    with open(path) as f: return f.read()\n\
        def main(): return {'mounts': read('/proc/self/mountinfo'), 'groups': read('/proc/self/cgroup'), 'env': sorted(os.environ),\n\
        'fds': sorted(int(n) for n in os.listdir('/proc/self/fd'))[:-1], 'root': sorted(os.listdir('/')), 'proc': [n for n in os.listdir('/proc') if not n.isdigit()],\n\
        'dev': sorted(os.listdir('/dev')), 'sys': os.path.exists('/sys')}";
    let told: serde_json::Value = serde_json::from_str(&output(&once(source, "{}").await)).unwrap();
    let config = crate::world::config();
    let mounts = told["mounts"].as_str().unwrap();
    for path in [&config.rootfs, &config.state_dir, &config.nsjail] {
        assert!(!mounts.contains(path.to_str().unwrap()), "{mounts}");
    }
    for line in mounts.lines() {
        assert_eq!(line.split(' ').nth(3), Some("/"), "{line}");
    }
    let own: Vec<&str> = told["groups"].as_str().unwrap().lines().collect();
    assert!(own.iter().all(|line| !line.contains("patchbay")), "{own:?}");
    let names = [
        "HOME",
        "LANG",
        "LD_BIND_NOW",
        "MKL_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "PATH",
        "TZ",
    ];
    assert_eq!(told["env"], serde_json::json!(names));
    assert_eq!(told["fds"], serde_json::json!([0, 1, 2, 3]));
    assert_eq!(
        told["root"],
        serde_json::json!([
            "bin", "code", "dev", "etc", "layer", "lib", "lib64", "proc", "tmp", "usr"
        ])
    );
    assert_eq!(
        told["dev"],
        serde_json::json!([
            "fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"
        ])
    );
    assert!(
        !told["proc"]
            .as_array()
            .unwrap()
            .iter()
            .any(|name| name == "meminfo"),
        "{told}"
    );
    assert_eq!(told["sys"], false);
}
