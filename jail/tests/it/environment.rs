//! Values of an environment: where the code finds them, and that they don't come out.

use std::collections::BTreeMap;

use jail::limits::LOG_BYTES;
use jail::{Bound, Code, Done, Environment, Host, Request, Sandbox, Tap, Verdict};

use crate::world::{IMPORT, LIMITS, failure, host, output, request, run, sandbox, weakened};

const TOKEN: &str = "tok3n-\"of\"-ours\\é";
const KEY: &str = "-----BEGIN-----\nMIIEvQIBADAN\nab=\n-----END-----";

fn environment(values: &[(&str, &str)]) -> Environment {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Environment::new(values.iter().map(owned).collect())
}

/// Longer than what a pointer is cut to, with what pointers escape.
fn long_value() -> String {
    let line = |number: u32| format!("{number:04}/q~{}\n", "Zz".repeat(20));
    (0..60).map(line).collect()
}

#[tokio::test]
async fn a_long_value_as_a_key_comes_out_neither_in_the_pointer_nor_in_the_message() {
    let host = host();
    let source = "import os\ndef main(): return {os.environ['LONG']: object()}";
    let mut sandbox = sandbox(&host, source).await;
    let long = long_value();
    let done = run_with(&mut sandbox, &[("LONG", &long)], "{}").await;
    let told = format!("{:?}", failure(&done));
    assert!(told.contains("***"), "{told}");
    assert!(!told.contains("ZzZz"), "{told}");
}

async fn run_with(sandbox: &mut Sandbox, values: &[(&str, &str)], input: &str) -> Done {
    let request = Request {
        environment: environment(values),
        ..request(input)
    };
    sandbox.run(request).await.unwrap()
}

async fn bound_with(host: &Host, source: &str, values: &[(&str, &str)]) -> Bound {
    let generic = host.boot().await.unwrap();
    let generic = generic.with_environment(environment(values));
    generic
        .bind(&Code::single(source), &LIMITS, IMPORT)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_call_finds_its_values_and_the_next_one_does_not() {
    // Each by its length: a value itself would be masked.
    let source = "import ctypes, os, subprocess\n\
        libc = ctypes.CDLL(None)\nlibc.getenv.restype = ctypes.c_char_p\n\
        def main():\n\
        \x20   shell = subprocess.run(['sh', '-c', 'printf %s \"$TOKEN\"'], capture_output=True).stdout\n\
        \x20   begun = open('/proc/self/environ', 'rb').read()\n\
        \x20   return [len(os.environ.get('TOKEN', '')), len(libc.getenv(b'TOKEN') or b''), len(shell), b'TOKEN' in begun]";
    for host in [host(), weakened(|profile| profile.native = false)] {
        let mut sandbox = sandbox(&host, source).await;
        for _ in 0..2 {
            let done = run_with(&mut sandbox, &[("TOKEN", TOKEN)], "{}").await;
            assert_eq!(output(&done), "[17,18,18,false]");
            assert!(done.reusable);
            assert_eq!(output(&run(&mut sandbox, "{}").await), "[0,0,0,false]");
        }
    }
}

#[tokio::test]
async fn a_value_is_covered_in_all_that_comes_out() {
    let source = "import json, os, sys\n\
        def main(how):\n\
        \x20   token = os.environ['TOKEN']\n\
        \x20   if how == 'printed':\n\
        \x20       os.write(1, token.encode()[:9]); os.write(1, token.encode()[9:])\n\
        \x20       print(json.dumps(token), repr(token), token.encode(), file=sys.stderr)\n\
        \x20       for line in os.environ['KEY'].splitlines(): print('>', line)\n\
        \x20   if how == 'raised':\n\
        \x20       raise type(token, (KeyError,), {'__module__': 'main'})(token)\n\
        \x20   if how == 'key': return {token + '/x': [object()]}\n\
        \x20   if how == 'exit': sys.exit(token)\n\
        \x20   if how == 'long': raise ValueError('x' * 7990 + token * 3)\n\
        \x20   return {'plain': token, 'json': json.dumps(token), token: 1, 'pin': int(os.environ['PIN']), 'rest': 'é'}";
    let values = [("TOKEN", TOKEN), ("KEY", KEY), ("PIN", "987654")];
    let host = host();
    let mut sandbox = sandbox(&host, source).await;
    let mut all = String::new();
    for how in ["printed", "raised", "key", "exit", "long", "returned"] {
        let done = run_with(&mut sandbox, &values, &format!("{{\"how\":\"{how}\"}}")).await;
        match how {
            "printed" => {
                assert_eq!(done.stdout, "***> ***\n> ***\n> ab=\n> ***\n");
                assert_eq!(done.stderr, "\"***\" '***' b'***'\n");
            }
            "returned" => assert_eq!(
                output(&done),
                r#"{"plain":"***","json":"\"***\"","***":1,"pin":"***","rest":"é"}"#
            ),
            "long" => assert!(failure(&done).message.ends_with("xxx*** […]"), "{done:?}"),
            "key" => assert_eq!(failure(&done).pointer.as_deref(), Some("/***~1x/0")),
            "raised" => {
                let failure = failure(&done);
                assert_eq!(failure.kind.as_deref(), Some("***"));
                assert_eq!(failure.message, "'***'");
                assert!(
                    failure
                        .traceback
                        .as_ref()
                        .unwrap()
                        .ends_with("***: '***'\n")
                );
            }
            _ => assert_eq!(failure(&done).message, "***"),
        }
        all.push_str(&format!("{done:?}\n"));
        if let Ok(result) = &done.result {
            all.push_str(&String::from_utf8_lossy(result));
        }
    }
    for secret in ["tok3n", "ours", "987654", "MIIEvQ"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

#[tokio::test]
async fn the_beginning_of_a_value_that_a_kill_left_is_covered() {
    let source = "import os, time\ndef main():\n    os.write(1, b'it is ' + os.environ['TOKEN'].encode()[:6])\n    time.sleep(60)";
    let host = host();
    let mut sandbox = sandbox(&host, source).await;
    let request = Request {
        environment: environment(&[("TOKEN", TOKEN)]),
        timeout: std::time::Duration::from_millis(300),
        ..request("{}")
    };
    let done = sandbox.run(request).await.unwrap();
    assert_eq!(done.stdout, "it is ***");
}

#[tokio::test]
async fn the_beginning_of_a_value_that_an_import_left_at_its_end_is_covered() {
    let source = "import os\nos.write(1, b'it is ' + os.environ['TOKEN'].encode()[:6])\nos._exit(0)\ndef main(): pass";
    let host = host();
    let bound = bound_with(&host, source, &[("TOKEN", TOKEN)]).await;
    assert!(bound.sandbox.is_err());
    assert_eq!(bound.log, "it is ***");
}

#[tokio::test]
async fn a_log_is_covered_before_it_is_cut() {
    let source =
        "import os\ndef main(bytes):\n    os.write(1, b'x' * bytes + os.environ['TOKEN'].encode())";
    let host = host();
    let mut sandbox = sandbox(&host, source).await;
    // What stands for the value is the last that fits, and then it doesn't fit whole.
    for (bytes, truncated) in [(LOG_BYTES - 3, false), (LOG_BYTES - 2, true)] {
        let input = format!("{{\"bytes\":{bytes}}}");
        let done = run_with(&mut sandbox, &[("TOKEN", TOKEN)], &input).await;
        assert_eq!(done.truncated, truncated);
        assert!(!done.stdout.contains("tok"));
    }
}

#[tokio::test]
async fn what_is_told_while_it_runs_is_covered_too() {
    let source = "import os, time\ndef main():\n    token = os.environ['TOKEN'].encode()\n    for part in (token[:5], token[5:] + b'\\n', b'end\\n'):\n        os.write(1, part)\n        time.sleep(0.3)";
    let host = host();
    let mut sandbox = sandbox(&host, source).await;
    let tap = Tap::default();
    let request = Request {
        environment: environment(&[("TOKEN", TOKEN)]),
        tap: Some(&tap),
        ..request("{}")
    };
    let running = sandbox.run(request);
    tokio::pin!(running);
    let mut told = String::new();
    let done = loop {
        tokio::select! {
            biased;
            pieces = tap.next() => told.extend(pieces.into_iter().map(|piece| piece.text)),
            done = &mut running => break done.unwrap(),
        }
    };
    assert_eq!(done.stdout, "***\nend\n");
    assert!(
        told.starts_with("***\n") && done.stdout.starts_with(&told),
        "{told}"
    );
}

#[tokio::test]
async fn an_import_finds_its_values_and_leaves_none_behind() {
    let source = "import os\nKEPT = os.environ['TOKEN']\nprint('with', KEPT)\nos.environ['OWN'] = 'set'\n\
        def main(): return [KEPT == os.environ.get('TOKEN'), len(KEPT), os.environ.get('OWN'), type(os.environ._data).__name__]";
    for host in [host(), weakened(|profile| profile.native = false)] {
        let bound = bound_with(&host, source, &[("TOKEN", TOKEN)]).await;
        assert_eq!(bound.log, "with ***\n");
        let mut sandbox = bound.sandbox.unwrap();
        let done = run_with(&mut sandbox, &[("TOKEN", TOKEN)], "{}").await;
        assert_eq!(output(&done), r#"[true,17,"set","dict"]"#);
        // Without its own, an execution has none.
        assert_eq!(
            output(&run(&mut sandbox, "{}").await),
            r#"[false,17,"set","dict"]"#
        );
    }
}

#[tokio::test]
async fn a_single_use_version_is_given_its_values_too() {
    let source = "import os, threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n\
        def main():\n    print(os.environ['TOKEN'])\n    return len(os.environ['TOKEN'])";
    let host = host();
    let mut sandbox = sandbox(&host, source).await;
    let done = run_with(&mut sandbox, &[("TOKEN", TOKEN)], "{}").await;
    assert_eq!(
        (output(&done).as_str(), done.stdout.as_str()),
        ("17", "***\n")
    );
    assert!(!done.reusable);
}

#[tokio::test]
async fn a_failing_import_says_nothing_of_its_values() {
    let source = "import os\nraise RuntimeError(os.environ['TOKEN'])\ndef main(): pass";
    let host = host();
    let bound = bound_with(&host, source, &[("TOKEN", TOKEN)]).await;
    let failure = bound.sandbox.unwrap_err();
    assert_eq!(failure.message, "***");
    assert!(!format!("{failure:?}").contains("tok3n"), "{failure:?}");
}

async fn read_by(host: &Host, source: &str) -> Vec<String> {
    let stand_ins = BTreeMap::from([("MODE".to_owned(), "stand-in".to_owned())]);
    let secrets = BTreeMap::from([("TOKEN".to_owned(), TOKEN.to_owned())]);
    let names = ["TOKEN", "MODE", "NEVER"].map(str::to_owned).to_vec();
    let generic = host.boot().await.unwrap();
    let generic = generic
        .with_environment(Environment::with_plain(secrets, stand_ins))
        .watching(names);
    let code = Code::single(source);
    let description = generic.describe(&code, &LIMITS, IMPORT).await.unwrap();
    description.read
}

#[tokio::test]
async fn what_an_import_reads_of_the_watched_names_is_told() {
    let host = host();
    for (import, read) in [
        ("", &[][..]),
        ("os.environ['HOME']", &[]),
        ("os.environ['TOKEN']", &["TOKEN"]),
        ("os.getenv('NEVER')", &["NEVER"]),
        ("'MODE' in os.environ", &["MODE"]),
        ("os.environb.get(b'MODE')", &["MODE"]),
        ("os.environ.setdefault('NEVER', 'x')", &["NEVER"]),
        ("dict(os.environ)", &["TOKEN", "MODE", "NEVER"]),
        ("os.environ.copy()", &["TOKEN", "MODE", "NEVER"]),
        ("raise ValueError(os.environ['MODE'])", &["MODE"]),
        // It can't tell any more.
        ("os._exit(3)", &["TOKEN", "MODE", "NEVER"]),
    ] {
        let source = format!("import os\n{import}\ndef main(): return os.environ['TOKEN']");
        assert_eq!(read_by(&host, &source).await, read, "{import}");
    }
}

#[tokio::test]
async fn a_default_that_is_a_secret_is_not_in_the_schema() {
    let host = host();
    let generic = host.boot().await.unwrap();
    let generic = generic.with_environment(environment(&[("TOKEN", TOKEN)]));
    let source = "import os\ndef main(token: str = os.environ['TOKEN']):\n    pass\nmain.__doc__ = 'uses ' + os.environ['TOKEN']";
    let code = Code::single(source);
    let description = generic.describe(&code, &LIMITS, IMPORT).await.unwrap();
    let Verdict::Described(described) = description.verdict else {
        panic!("{description:?}")
    };
    assert_eq!(described.doc.as_deref(), Some("uses ***"));
    let schema = described.input_schema.unwrap();
    assert!(
        schema.contains("***") && !schema.contains("tok3n"),
        "{schema}"
    );
}

#[tokio::test]
async fn an_environment_of_the_largest_size_arrives_whole() {
    // As many bytes as JSON makes of it: a control character takes six.
    let large = "\u{1}".repeat(262 << 10);
    let host = host();
    let source = "import os\ndef main(): return len(os.environ['LARGE'])";
    let bound = bound_with(&host, source, &[("LARGE", &large)]).await;
    let mut sandbox = bound.sandbox.unwrap();
    let done = run_with(&mut sandbox, &[("LARGE", &large)], "{}").await;
    assert_eq!(output(&done), large.len().to_string());
}
