//! What is told of printed bytes, batch by batch.

use std::time::Duration;

use super::*;

/// What the two streams have, and what was told of them.
struct Heard<'a> {
    live: Live<'a>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Heard<'_> {
    fn print(&mut self, stream: Stream, bytes: &[u8]) {
        let all = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        all.extend_from_slice(bytes);
        let upto = all.len();
        self.live.note(stream, upto);
    }

    /// A batch, as it is so long after now.
    fn told(&mut self, later: Duration) -> Vec<(Stream, String)> {
        let now = Instant::now() + later;
        let pieces = self.live.take(now, &self.stdout, &self.stderr);
        pieces.into_iter().map(|p| (p.stream, p.text)).collect()
    }
}

fn heard(tap: &Tap) -> Heard<'_> {
    Heard {
        live: Live::new(tap, Instant::now()),
        stdout: Vec::new(),
        stderr: Vec::new(),
    }
}

fn out(text: &str) -> (Stream, String) {
    (Stream::Stdout, text.to_owned())
}

fn err(text: &str) -> (Stream, String) {
    (Stream::Stderr, text.to_owned())
}

#[test]
fn a_line_waits_for_its_end_but_not_for_long() {
    let tap = Tap::default();
    let mut heard = heard(&tap);
    heard.print(Stream::Stdout, b"one\ntw");
    assert_eq!(heard.told(Duration::ZERO), [out("one\n")]);
    heard.print(Stream::Stdout, b"o\n> ");
    assert_eq!(heard.told(Duration::ZERO), [out("two\n")]);
    assert_eq!(heard.told(Duration::ZERO), []);
    assert_eq!(heard.told(LIVE_LINE), [out("> ")]);
}

#[test]
fn the_streams_are_told_in_the_order_in_which_they_came() {
    let tap = Tap::default();
    let mut heard = heard(&tap);
    heard.print(Stream::Stderr, b"1\n");
    heard.print(Stream::Stdout, b"2\n");
    heard.print(Stream::Stdout, b"3\n");
    heard.print(Stream::Stderr, b"4\n");
    let told = heard.told(Duration::ZERO);
    assert_eq!(told, [err("1\n"), out("2\n3\n"), err("4\n")]);
}

#[test]
fn too_many_turns_are_bounded_and_no_text_is_lost() {
    let tap = Tap::default();
    let mut heard = heard(&tap);
    for turn in 0..LIVE_MARKS {
        let stream = [Stream::Stdout, Stream::Stderr][turn % 2];
        heard.print(stream, format!("{turn}\n").as_bytes());
    }
    assert_eq!(heard.live.marks.len(), LIVE_MARKS);
    heard.print(Stream::Stdout, b"more\n");
    heard.print(Stream::Stderr, b"more\n");
    assert_eq!(heard.live.marks.len(), LIVE_MARKS);
    let told = heard.told(Duration::ZERO);
    for (stream, all) in [
        (Stream::Stdout, &heard.stdout),
        (Stream::Stderr, &heard.stderr),
    ] {
        let mine = told.iter().filter(|(of, _)| *of == stream);
        let text: String = mine.map(|(_, text)| text.as_str()).collect();
        assert_eq!(text.as_bytes(), all);
    }
}

#[test]
fn a_batch_has_its_bound_and_the_rest_comes_after_it() {
    let tap = Tap::default();
    let mut heard = heard(&tap);
    heard.print(Stream::Stdout, &vec![b'\n'; LIVE_BATCH_BYTES]);
    heard.print(Stream::Stderr, b"e\n");
    let told = heard.told(Duration::ZERO);
    assert_eq!(told, [out(&"\n".repeat(LIVE_BATCH_BYTES))]);
    heard.print(Stream::Stdout, &vec![b'\n'; LIVE_BATCH_BYTES + 1]);
    let told = heard.told(Duration::ZERO);
    assert_eq!(told, [err("e\n"), out(&"\n".repeat(LIVE_BATCH_BYTES - 2))]);
    assert_eq!(heard.told(Duration::ZERO), [out("\n\n\n")]);
}

#[test]
fn what_may_be_cut_from_the_log_is_not_told() {
    let tap = Tap::default();
    let mut heard = heard(&tap);
    heard.print(Stream::Stdout, &vec![b'x'; LIVE_BYTES - 3]);
    heard.print(Stream::Stdout, "é𝄞z\n".as_bytes());
    let mut text = String::new();
    loop {
        let told = heard.told(LIVE_LINE);
        let Some((_, piece)) = told.into_iter().next() else {
            break;
        };
        text.push_str(&piece);
    }
    // One byte is left, and no character that fits it may pass the one before.
    assert_eq!(text.len(), LIVE_BYTES - 1);
    assert!(text.ends_with("xé"));
}

#[tokio::test]
async fn a_batch_that_nobody_took_holds_up_the_next_one() {
    let tap = Tap::default();
    let mut heard = heard(&tap);
    heard.print(Stream::Stdout, b"1\n");
    let (now, stdout) = (Instant::now(), heard.stdout.clone());
    heard.live.tell(now, &stdout, b"");
    heard.print(Stream::Stdout, b"2\n");
    let stdout = heard.stdout.clone();
    heard.live.tell(now, &stdout, b"");
    assert_eq!(tap.next().await[0].text, "1\n");
    assert!(heard.live.due().is_some());
    heard.live.tell(now, &stdout, b"");
    assert_eq!(tap.next().await[0].text, "2\n");
    tap.close();
    heard.print(Stream::Stdout, b"3\n");
    heard.live.tell(now, b"1\n2\n3\n", b"");
    assert!(heard.live.due().is_none() && tap.lock().pieces.is_empty());
}
