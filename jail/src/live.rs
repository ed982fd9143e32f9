//! What is printed, told while the execution runs.
//!
//! The pieces of a stream, put together, are the beginning of the log that
//! [`crate::Done`] holds: same bytes, same replacements, nothing of what may still be cut
//! from it. What was not told before the end is in the log alone.
//!
//! An execution that is over within [`LIVE_AFTER`] costs nothing here. After that what
//! came is told in batches, whole lines where their ends come in time. One batch waits
//! to be taken; until then nothing more is decoded, and no printing is slowed down.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::limits::{LIVE_AFTER, LIVE_BATCH_BYTES, LIVE_BYTES, LIVE_EVERY, LIVE_LINE, LIVE_MARKS};
use crate::text::Decoder;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Text that came together, whole characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub stream: Stream,
    pub text: String,
    pub at: Instant,
}

/// Where one execution's pieces are put, and taken from.
#[derive(Debug, Default)]
pub struct Tap {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    pieces: Vec<Piece>,
    closed: bool,
}

impl Tap {
    /// The next batch, never empty. May be dropped and called again.
    pub async fn next(&self) -> Vec<Piece> {
        loop {
            let pieces = mem::take(&mut self.lock().pieces);
            if !pieces.is_empty() {
                return pieces;
            }
            self.filled.notified().await;
        }
    }

    /// Nothing more is wanted.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that came one after the other in one stream.
#[derive(Clone, Copy, Debug)]
struct Mark {
    stream: Stream,
    /// How much that stream had then.
    upto: usize,
    at: Instant,
}

/// What is told of one execution.
#[derive(Debug)]
pub(crate) struct Live<'a> {
    tap: &'a Tap,
    began: Instant,
    /// What came and is not decoded, in the order in which it came.
    marks: VecDeque<Mark>,
    stdout: Telling,
    stderr: Telling,
    due: Option<Instant>,
}

impl<'a> Live<'a> {
    pub(crate) fn new(tap: &'a Tap, began: Instant) -> Self {
        Self {
            tap,
            began,
            marks: VecDeque::new(),
            stdout: Telling::new(began),
            stderr: Telling::new(began),
            due: None,
        }
    }

    /// When [`Live::heard`] is to be called, though nothing may have come.
    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Takes note of what the two streams have by now, and tells it when it is time.
    pub(crate) fn heard(&mut self, stdout: &[u8], stderr: &[u8]) {
        if self.stdout.noted == stdout.len() && self.stderr.noted == stderr.len() {
            if self.due.is_none_or(|due| Instant::now() < due) {
                return;
            }
        } else {
            self.note(Stream::Stdout, stdout.len());
            self.note(Stream::Stderr, stderr.len());
        }
        let now = Instant::now();
        if self.due.is_some_and(|due| due <= now) {
            self.tell(now, stdout, stderr);
        }
    }

    fn note(&mut self, stream: Stream, upto: usize) {
        let telling = self.telling(stream);
        if mem::replace(&mut telling.noted, upto) == upto {
            return;
        }
        let at = Instant::now();
        let mine = |mark: &&mut Mark| mark.stream == stream;
        let grown = if self.marks.len() < LIVE_MARKS {
            self.marks.back_mut().filter(mine)
        } else {
            // Both print by turns, too often: their order among each other is lost.
            self.marks.iter_mut().rev().find(mine)
        };
        match grown {
            Some(mark) => mark.upto = upto,
            None => self.marks.push_back(Mark { stream, upto, at }),
        }
        let soon = (at + LIVE_EVERY).max(self.began + LIVE_AFTER);
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    fn tell(&mut self, now: Instant, stdout: &[u8], stderr: &[u8]) {
        {
            let waiting = self.tap.lock();
            if waiting.closed {
                self.due = None;
                return;
            }
            if !waiting.pieces.is_empty() {
                self.due = Some(now + LIVE_EVERY);
                return;
            }
        }
        let pieces = self.take(now, stdout, stderr);
        self.due = if self.marks.is_empty() {
            [&self.stdout, &self.stderr]
                .into_iter()
                .filter(|telling| !telling.line.is_empty())
                .map(|telling| telling.since + LIVE_LINE)
                .min()
        } else {
            Some(now + LIVE_EVERY / 4)
        };
        if !pieces.is_empty() {
            self.tap.lock().pieces = pieces;
            self.tap.filled.notify_one();
        }
    }

    /// A batch of what came: lines, and beginnings of lines that have waited.
    fn take(&mut self, now: Instant, stdout: &[u8], stderr: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut room = LIVE_BATCH_BYTES;
        while room > 0
            && let Some(mark) = self.marks.front().copied()
        {
            let kept = match mark.stream {
                Stream::Stdout => stdout,
                Stream::Stderr => stderr,
            };
            let telling = self.telling(mark.stream);
            let upto = mark.upto.min(telling.taken + room);
            room -= upto - telling.taken;
            let lines = telling.take(&kept[telling.taken..upto], mark.at);
            add(&mut pieces, mark.stream, lines, mark.at);
            if upto == mark.upto {
                self.marks.pop_front();
            }
        }
        for stream in [Stream::Stdout, Stream::Stderr] {
            let telling = self.telling(stream);
            if now >= telling.since + LIVE_LINE {
                let line = mem::take(&mut telling.line);
                let since = telling.since;
                let line = telling.within(line);
                add(&mut pieces, stream, line, since);
            }
        }
        pieces
    }

    const fn telling(&mut self, stream: Stream) -> &mut Telling {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

fn add(pieces: &mut Vec<Piece>, stream: Stream, text: String, at: Instant) {
    if text.is_empty() {
        return;
    }
    match pieces.last_mut() {
        Some(last) if last.stream == stream => last.text.push_str(&text),
        _ => pieces.push(Piece { stream, text, at }),
    }
}

/// How far one stream is told. Here bytes become the text that is told. Its bytes are
/// those that are kept for the log, so whatever is done to these is done to both.
#[derive(Debug)]
struct Telling {
    /// Bytes that are in marks, or were.
    noted: usize,
    /// Bytes that are decoded.
    taken: usize,
    decoder: Decoder,
    /// Decoded, and its end has not come.
    line: String,
    /// When the line began to wait.
    since: Instant,
    /// Bytes of text that may still be told: what comes after them may be cut.
    left: usize,
}

impl Telling {
    fn new(began: Instant) -> Self {
        Self {
            noted: 0,
            taken: 0,
            decoder: Decoder::default(),
            line: String::new(),
            since: began,
            left: LIVE_BYTES,
        }
    }

    /// Decodes more; gives the lines that are whole by that.
    fn take(&mut self, bytes: &[u8], at: Instant) -> String {
        self.taken += bytes.len();
        let text = self.decoder.push(bytes);
        let Some(end) = text.rfind('\n') else {
            if self.line.is_empty() {
                self.since = at;
            }
            self.line.push_str(&text);
            return String::new();
        };
        let mut lines = mem::take(&mut self.line);
        lines.push_str(&text[..=end]);
        text[end + 1..].clone_into(&mut self.line);
        self.since = at;
        self.within(lines)
    }

    /// As much of it as is sure to be in the log.
    fn within(&mut self, mut text: String) -> String {
        if text.len() > self.left {
            let end = text.floor_char_boundary(self.left);
            text.truncate(end);
            // Nothing after a gap.
            self.left = end;
        }
        self.left -= text.len();
        text
    }
}
