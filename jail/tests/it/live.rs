//! What is printed is told while the execution runs.

use std::collections::BTreeMap;
use std::time::Duration;

use jail::limits::LIVE_BYTES;
use jail::{Done, Environment, Piece, Sandbox, Stream, Tap};

use crate::world::{host, output, request, sandbox};

/// All that is told of an execution, and what it came to.
async fn told(sandbox: &mut Sandbox) -> (Vec<Piece>, Done) {
    told_with(sandbox, Environment::default()).await
}

async fn told_with(sandbox: &mut Sandbox, environment: Environment) -> (Vec<Piece>, Done) {
    let tap = Tap::default();
    let mut asked = request("{}");
    asked.environment = environment;
    asked.tap = Some(&tap);
    let mut all = Vec::new();
    let running = sandbox.run(asked);
    tokio::pin!(running);
    loop {
        tokio::select! {
            biased;
            pieces = tap.next() => all.extend(pieces),
            done = &mut running => return (all, done.unwrap()),
        }
    }
}

fn text(pieces: &[Piece], stream: Stream) -> String {
    let mine = pieces.iter().filter(|piece| piece.stream == stream);
    mine.map(|piece| piece.text.as_str()).collect()
}

#[tokio::test]
async fn a_line_is_told_long_before_the_end() {
    let host = host();
    let source = "import time\ndef main():\n    print('first', flush=True)\n    time.sleep(0.3)\n    print('> ', end='', flush=True)\n    time.sleep(60)";
    let mut sandbox = sandbox(&host, source).await;
    let killer = sandbox.killer();
    let tap = Tap::default();
    let mut asked = request("{}");
    asked.tap = Some(&tap);
    let running = sandbox.run(asked);
    tokio::pin!(running);
    let mut seen = Vec::new();
    let done = loop {
        tokio::select! {
            biased;
            pieces = tap.next() => {
                seen.extend(pieces);
                if text(&seen, Stream::Stdout) == "first\n> " {
                    killer.kill();
                }
            }
            done = &mut running => break done.unwrap(),
        }
    };
    assert_eq!(seen[0].text, "first\n");
    assert_eq!(done.stdout, "first\n> ");
    // Killed by us, not by its time.
    assert!(done.duration < Duration::from_secs(20));
}

#[tokio::test]
async fn the_pieces_put_together_are_the_log() {
    let host = host();
    let source = "\
import os, time
def main():
    for part in [b'a\\xc3', b'\\xa9\\n', b'\\xff\\xf0\\x9d', b'\\x84', b'\\x9e', b'no end\\xe2\\x82', b'\\n\\0\\r\\n']:
        os.write(1, part)
        os.write(2, b'e' + part)
        time.sleep(0.07)
    time.sleep(1)
";
    let mut sandbox = sandbox(&host, source).await;
    let (pieces, done) = told(&mut sandbox).await;
    assert!(pieces.len() > 2, "{pieces:?}");
    assert_eq!(text(&pieces, Stream::Stdout), done.stdout);
    assert_eq!(text(&pieces, Stream::Stderr), done.stderr);
    assert!(done.stdout.contains("aé\n\u{fffd}𝄞no end\u{fffd}\n\0\r\n"));
}

#[tokio::test]
async fn a_value_of_the_environment_is_covered_while_it_is_told() {
    let host = host();
    // The halves of the value come in different batches.
    let source = "\
import os, time
def main():
    value = os.environ['KEY'].encode()
    os.write(1, b'begins\\n' + value[:5])
    time.sleep(0.4)
    os.write(1, value[5:] + b'\\nends\\n')
    time.sleep(0.4)
";
    let mut sandbox = sandbox(&host, source).await;
    let values = BTreeMap::from([("KEY".to_owned(), "k-123456".to_owned())]);
    let (pieces, done) = told_with(&mut sandbox, Environment::new(values)).await;
    assert_eq!(text(&pieces, Stream::Stdout), "begins\n***\nends\n");
    assert!(pieces.len() > 1, "{pieces:?}");
    assert_eq!(done.stdout, "begins\n***\nends\n");
}

#[tokio::test]
async fn of_a_flood_the_beginning_of_the_log_is_told() {
    let host = host();
    for (printed, told_of_it) in [
        (LIVE_BYTES, LIVE_BYTES),
        (LIVE_BYTES + 1, LIVE_BYTES),
        (400_000, LIVE_BYTES),
    ] {
        let source = format!(
            "import time\ndef main():\n    print('x' * {printed}, end='', flush=True)\n    time.sleep(1)"
        );
        let mut sandbox = sandbox(&host, &source).await;
        let (pieces, done) = told(&mut sandbox).await;
        let text = text(&pieces, Stream::Stdout);
        assert_eq!(text.len(), told_of_it, "of {printed}");
        assert!(done.stdout.starts_with(&text));
        assert_eq!(done.truncated, printed == 400_000);
    }
}

#[tokio::test]
async fn a_short_execution_tells_nothing_and_one_that_nobody_listens_to_is_whole() {
    let host = host();
    let mut sandbox = sandbox(&host, "def main(): print('short')").await;
    let tap = Tap::default();
    let mut asked = request("{}");
    asked.tap = Some(&tap);
    let done = sandbox.run(asked).await.unwrap();
    assert_eq!(done.stdout, "short\n");
    let told = tokio::time::timeout(Duration::ZERO, tap.next()).await;
    assert!(told.is_err() || done.duration >= jail::limits::LIVE_AFTER);

    let source = "import time\ndef main():\n    for n in range(300):\n        print(n)\n        time.sleep(0.002)\n    return 1";
    let mut sandbox = self::sandbox(&host, source).await;
    let mut asked = request("{}");
    asked.tap = Some(&tap);
    let done = sandbox.run(asked).await.unwrap();
    assert_eq!(output(&done), "1");
    assert!(done.stdout.ends_with("\n298\n299\n"));
    let first = tap.next().await;
    assert!(done.stdout.starts_with(&first[0].text));
}

#[tokio::test]
async fn text_that_is_cut_keeps_the_replacements_that_were_told() {
    let host = host();
    let source = "import os, time\ndef main():\n    os.write(1, b'\\xff' * 50_000)\n    time.sleep(0.5)\n    os.write(1, b'\\xff' * 50_000)";
    let mut sandbox = sandbox(&host, source).await;
    let (pieces, done) = told(&mut sandbox).await;
    let text = text(&pieces, Stream::Stdout);
    assert_eq!(text, "\u{fffd}".repeat(50_000));
    assert!(done.truncated && done.stdout.starts_with(&text));
}
