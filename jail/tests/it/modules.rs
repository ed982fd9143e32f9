//! The uploaded text is one unchanged, importable module, or a script.

use std::collections::BTreeMap;

use jail::{Code, FailureCode};

use crate::world::{IMPORT, LIMITS, bound, failure, host, once, output, run, sandbox, weakened};

#[tokio::test]
async fn a_future_import_after_docstring_and_comment_works() {
    let source = "\"\"\"Doc.\"\"\"\n# a comment\nfrom __future__ import annotations\ndef main(x: int): return x";
    assert_eq!(output(&once(source, r#"{"x": 3}"#).await), "3");
}

#[tokio::test]
async fn a_dataclass_hint_under_future_annotations_is_made() {
    let source = "from __future__ import annotations\nfrom dataclasses import dataclass\n\
                  @dataclass\nclass P: x: int\ndef main(p: P): return p.x";
    assert_eq!(output(&once(source, r#"{"p": {"x": 1}}"#).await), "1");
}

#[tokio::test]
async fn a_user_s_file_cannot_stand_in_for_the_library() {
    let files = BTreeMap::from([
        (
            "main.py".to_owned(),
            "import json\ndef main(): return json.dumps([1])".to_owned(),
        ),
        ("json.py".to_owned(), "raise SystemExit".to_owned()),
    ]);
    let code = Code {
        entry: "main.py".to_owned(),
        files,
    };
    let host = host();
    let generic = host.boot().await.unwrap();
    let mut sandbox = generic
        .bind(&code, &LIMITS, IMPORT)
        .await
        .unwrap()
        .sandbox
        .unwrap();
    assert_eq!(output(&run(&mut sandbox, "{}").await), "\"[1]\"");
}

#[tokio::test]
async fn several_files_and_packages_are_importable() {
    let files = BTreeMap::from([
        (
            "main.py".to_owned(),
            "import helpers\nfrom pkg.sub import b\ndef main(): return helpers.a() + b".to_owned(),
        ),
        ("helpers.py".to_owned(), "def a(): return 1".to_owned()),
        ("pkg/__init__.py".to_owned(), String::new()),
        ("pkg/sub.py".to_owned(), "b = 2".to_owned()),
    ]);
    let code = Code {
        entry: "main.py".to_owned(),
        files,
    };
    let host = host();
    let generic = host.boot().await.unwrap();
    let mut sandbox = generic
        .bind(&code, &LIMITS, IMPORT)
        .await
        .unwrap()
        .sandbox
        .unwrap();
    assert_eq!(output(&run(&mut sandbox, "{}").await), "3");
}

#[tokio::test]
async fn a_file_name_that_leads_out_of_the_code_folder_is_refused() {
    let host = host();
    for name in [
        "../x.py",
        "/etc/x.py",
        "a//b.py",
        ".hidden.py",
        "a b.py",
        "",
    ] {
        let mut code = Code::single("result = 1");
        code.files.insert(name.to_owned(), String::new());
        let generic = host.boot().await.unwrap();
        assert!(
            generic.bind(&code, &LIMITS, IMPORT).await.is_err(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn multiprocessing_finds_functions_of_the_module_twice_under_fork_and_spawn() {
    let source = "import multiprocessing as mp\ndef square(x): return x * x\n\
                  def main(how):\n    with mp.get_context(how).Pool(2) as pool: return pool.map(square, [1, 2, 3])";
    let host = host();
    let mut sandbox = sandbox(&host, source).await;
    for how in ["fork", "fork", "spawn"] {
        let done = run(&mut sandbox, &format!("{{\"how\": \"{how}\"}}")).await;
        assert_eq!(output(&done), "[1,4,9]", "{how}");
    }
}

#[tokio::test]
async fn locks_and_queues_of_multiprocessing_work() {
    let source = "import multiprocessing as mp\ndef main():\n    with mp.Lock(): q = mp.Queue()\n    q.put(5)\n    return q.get()";
    assert_eq!(output(&once(source, "{}").await), "5");
}

#[tokio::test]
async fn pickle_finds_classes_of_the_module_and_of_a_script() {
    let module = "import pickle\nclass Thing:\n    def __init__(self, x): self.x = x\n\
                  def main(): return pickle.loads(pickle.dumps(Thing(1))).x";
    assert_eq!(output(&once(module, "{}").await), "1");
    let script =
        "import pickle\nclass Thing:\n    x = 1\nresult = pickle.loads(pickle.dumps(Thing())).x";
    assert_eq!(output(&once(script, "null").await), "1");
}

#[tokio::test]
async fn the_main_guard_runs_in_scripts_only() {
    let module =
        "import sys\ndef main(): return 1\nif __name__ == \"__main__\":\n    main(); sys.exit(5)";
    assert_eq!(output(&once(module, "{}").await), "1");
    let script = "if __name__ == \"__main__\":\n    result = input[\"a\"] + 1";
    assert_eq!(output(&once(script, r#"{"a": 1}"#).await), "2");
}

#[tokio::test]
async fn a_traceback_names_the_line_shows_it_and_has_no_frame_of_ours() {
    let done = once(
        "def main():\n    x = 1\n    raise ValueError('bad x')",
        "{}",
    )
    .await;
    let failure = failure(&done);
    let text = failure.traceback.as_deref().unwrap();
    assert_eq!(failure.message, "bad x");
    assert!(
        text.contains("line 3, in main") && text.contains("raise ValueError('bad x')"),
        "{text}"
    );
    assert!(!text.contains("patchbay"), "{text}");
}

#[tokio::test]
async fn tracebacks_go_through_the_user_s_files_and_libraries_and_nothing_of_ours() {
    let host = host();
    let helper = "import json\ndef read(text):\n    return json.loads(text)";
    for (source, input) in [
        ("import helper\ndef main(): return helper.read('x')", "{}"),
        (
            "import helper\nasync def main():\n    return helper.read('x')",
            "{}",
        ),
        (
            "import helper\ndef handler(i, c): return helper.read('x')",
            "null",
        ),
        ("import helper\nresult = helper.read('x')", "null"),
        (
            "import helper\nfrom datetime import date\ndef main(day: date): return helper.read('x')",
            r#"{"day": "2026-01-02"}"#,
        ),
    ] {
        let mut code = Code::single(source);
        code.files.insert("helper.py".to_owned(), helper.to_owned());
        let generic = host.boot().await.unwrap();
        let bound = generic.bind(&code, &LIMITS, IMPORT).await.unwrap();
        let done = run(&mut bound.sandbox.unwrap(), input).await;
        let text = failure(&done).traceback.clone().unwrap();
        for words in [
            r#"File "/code/main.py", line "#,
            "helper.read('x')",
            "File \"/code/helper.py\", line 3, in read\n    return json.loads(text)",
            r#"File "/usr/lib/python3.11/json/decoder.py""#,
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let files = text
            .lines()
            .filter(|line| line.starts_with("  File "))
            .count();
        let ours = ["/code/", "/usr/lib/python3.11/json/"];
        let known = text
            .lines()
            .filter(|line| {
                ours.iter()
                    .any(|place| line.starts_with(&format!("  File \"{place}")))
            })
            .count();
        assert_eq!(files, known, "{text}");
    }
}

#[tokio::test]
async fn the_module_is_what_its_name_finds() {
    let source = "import sys, inspect\nTHIS = sys.modules[__name__]\ndef main():\n    import main as again\n    return [again is THIS, again.main is main, __name__, __file__, inspect.getmodule(main) is THIS, main.__module__]";
    assert_eq!(
        output(&once(source, "{}").await),
        r#"[true,true,"main","/code/main.py",true,"main"]"#
    );
}

#[tokio::test]
async fn inspect_has_the_source() {
    let source = "import inspect\ndef main(): return inspect.getsource(main)";
    assert!(output(&once(source, "{}").await).contains("def main()"));
}

#[tokio::test]
async fn what_the_import_prints_is_its_own_log_and_calls_have_theirs() {
    let host = host();
    let bound = bound(&host, "print('loading')\ndef main(): print('mine')").await;
    assert_eq!(bound.log, "loading\n");
    let mut sandbox = bound.sandbox.unwrap();
    assert_eq!(run(&mut sandbox, "{}").await.stdout, "mine\n");
}

#[tokio::test]
async fn a_module_that_fails_at_import_says_so_with_its_words() {
    let host = host();
    for (source, words) in [
        ("raise RuntimeError('no config')", "no config"),
        ("import sys\nsys.exit(3)\ndef main(): pass", "3"),
        (
            "import os\nos._exit(3)\ndef main(): pass",
            "ended its process",
        ),
        ("import no_such_thing\ndef main(): pass", "no_such_thing"),
    ] {
        let source = format!("{source}\ndef main(): pass");
        let failed = bound(&host, &source).await.sandbox.unwrap_err();
        assert_eq!(failed.code, FailureCode::ImportError);
        assert!(failed.message.contains(words), "{failed:?}");
    }
}

#[tokio::test]
async fn a_file_opened_at_import_works_in_each_sandbox_of_a_single_use_version() {
    let host = host();
    let source = "import os\nF = open(os.__file__)\ndef main(): return F.readline()";
    for _ in 0..3 {
        let mut sandbox = sandbox(&host, source).await;
        let done = run(&mut sandbox, "{}").await;
        assert!(output(&done).contains("OS routines"));
        assert!(!done.reusable && !sandbox.is_reusable());
    }
}

#[tokio::test]
async fn threads_and_files_of_the_import_make_a_version_single_use() {
    let host = host();
    for source in [
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\ndef main(): return threading.active_count()",
        "import tempfile\nD = tempfile.mkdtemp()\ndef main():\n    open(D + '/x', 'w').close()\n    return 2",
        "import subprocess\nP = subprocess.Popen(['sleep', '60'])\ndef main(): return 2 if P.poll() is None else 0",
        // With this no fork could be waited for: the template would take its own for lost.
        "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\ndef main(): return 2",
    ] {
        let mut sandbox = sandbox(&host, source).await;
        let done = run(&mut sandbox, "{}").await;
        assert_eq!(output(&done), "2", "{source}");
        assert!(!done.reusable);
    }
}

#[tokio::test]
async fn a_single_use_version_that_exits_says_its_status() {
    let host = host();
    let mut sandbox = sandbox(
        &host,
        "import os\nF = open(os.__file__)\ndef main(): os._exit(7)",
    )
    .await;
    let done = run(&mut sandbox, "{}").await;
    assert_eq!(
        (failure(&done).code, failure(&done).exit_code),
        (FailureCode::Exit, Some(7))
    );
}

#[tokio::test]
async fn global_state_is_the_import_s_in_each_call() {
    let host = host();
    let mut sandbox = sandbox(
        &host,
        "N = [0]\ndef main():\n    N[0] += 1\n    return N[0]",
    )
    .await;
    for _ in 0..3 {
        assert_eq!(output(&run(&mut sandbox, "{}").await), "1");
    }
}

#[tokio::test]
async fn randomness_that_an_import_drew_is_drawn_anew_in_each_execution() {
    let file = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
    // Stands in for the library: only its name and its `seed` are known to the runner.
    let files = BTreeMap::from(
        [
            (
                "main.py",
                "import numpy.random\ndef main(): return numpy.random.drawn",
            ),
            ("numpy/__init__.py", ""),
            (
                "numpy/random.py",
                "import os\ndef seed():\n    global drawn\n    drawn = os.urandom(8).hex()\nseed()",
            ),
        ]
        .map(file),
    );
    let code = Code {
        entry: "main.py".to_owned(),
        files,
    };
    for host in [host(), weakened(|profile| profile.native = false)] {
        let generic = host.boot().await.unwrap();
        let bound = generic.bind(&code, &LIMITS, IMPORT).await.unwrap();
        let mut sandbox = bound.sandbox.unwrap();
        let first = output(&run(&mut sandbox, "{}").await);
        assert_ne!(output(&run(&mut sandbox, "{}").await), first);
    }
}
