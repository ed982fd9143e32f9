//! How far somebody has read a log, and what is new to them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::{Batch, Stream, run_of};
use crate::execution::{Ending, Logs};
use crate::limits::LIVE_TEXT_BYTES;

/// How much of each stream of a run somebody has, in bytes of text. As text,
/// `run-stdout-stderr`: the id of an event, by which a stream is resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    run: u64,
    stdout: usize,
    stderr: usize,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not the id of an event")]
pub struct PlaceError;

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let mut parts = text.split('-');
        let mut number = || {
            let digits = parts.next().ok_or(PlaceError)?;
            // A sign is no digit, though numbers are read with one.
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            let number = digits.parse::<u64>().map_err(|_| PlaceError)?;
            plain.then_some(number).ok_or(PlaceError)
        };
        let (run, stdout, stderr) = (number()?, number()?, number()?);
        let size = |number| usize::try_from(number).map_err(|_| PlaceError);
        let place = Self {
            run,
            stdout: size(stdout)?,
            stderr: size(stderr)?,
        };
        parts.next().is_none().then_some(place).ok_or(PlaceError)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.run, self.stdout, self.stderr)
    }
}

/// What is new, and the place after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Text {
        stream: Stream,
        text: String,
        at: Timestamp,
        place: Place,
    },
    /// What came before was of a run that did not end; here the log begins anew.
    Restart { attempt: u32, place: Place },
}

/// What one who follows has.
#[derive(Debug)]
pub struct Following(Option<Place>);

impl Following {
    /// From the beginning, or after a place.
    #[must_use]
    pub const fn after(place: Option<Place>) -> Self {
        Self(place)
    }

    /// What is new in a batch. Nothing where text before it is missing: it is in the
    /// stored log.
    pub fn batch(&mut self, batch: Batch) -> Vec<Told> {
        let has = self.0.filter(|place| place.run == batch.run);
        let (stdout, stderr) = has.map_or((0, 0), |place| (place.stdout, place.stderr));
        if batch.stdout > stdout || batch.stderr > stderr {
            return Vec::new();
        }
        let mut told = Vec::new();
        let mut place = self.begin(batch.run, batch.attempt, &mut told);
        let (mut stdout, mut stderr) = (batch.stdout, batch.stderr);
        for piece in batch.pieces {
            let (before, has) = match piece.stream {
                Stream::Stdout => (&mut stdout, &mut place.stdout),
                Stream::Stderr => (&mut stderr, &mut place.stderr),
            };
            let text = new_of(&piece.text, has.saturating_sub(*before));
            *before += piece.text.len();
            if !text.is_empty() {
                *has = *before;
                told.push(Told::Text {
                    stream: piece.stream,
                    text: text.to_owned(),
                    at: piece.at,
                    place,
                });
            }
        }
        self.0 = Some(place);
        told
    }

    /// What is new in the stored log, which is of the run that ended, or empty where none
    /// did. When it was printed is not stored: by the end.
    pub fn rest(&mut self, logs: &Logs, ending: &Ending) -> Vec<Told> {
        let mut told = Vec::new();
        // A start alone, as a row may have it, is of a run that was lost.
        let ended = ending.duration_us.and(ending.started_at);
        let run = ended.map_or(0, run_of);
        if self.0.is_none() && logs.stdout.is_empty() && logs.stderr.is_empty() {
            return told;
        }
        let mut place = self.begin(run, ending.attempt, &mut told);
        for (stream, all) in [
            (Stream::Stdout, &logs.stdout),
            (Stream::Stderr, &logs.stderr),
        ] {
            let has = match stream {
                Stream::Stdout => place.stdout,
                Stream::Stderr => place.stderr,
            };
            let mut text = new_of(all, has);
            while !text.is_empty() {
                let (first, rest) = text.split_at(end_of_first(text));
                text = rest;
                match stream {
                    Stream::Stdout => place.stdout = all.len() - rest.len(),
                    Stream::Stderr => place.stderr = all.len() - rest.len(),
                }
                told.push(Told::Text {
                    stream,
                    text: first.to_owned(),
                    at: ending.finished_at,
                    place,
                });
            }
        }
        self.0 = Some(place);
        told
    }

    /// The place in this run; says so where what was told before is of another one.
    fn begin(&self, run: u64, attempt: u32, told: &mut Vec<Told>) -> Place {
        if let Some(place) = self.0.filter(|place| place.run == run) {
            return place;
        }
        let place = Place {
            run,
            stdout: 0,
            stderr: 0,
        };
        if self.0.is_some() {
            told.push(Told::Restart { attempt, place });
        }
        place
    }
}

/// The text after so many bytes; from the next character on, should a stranger's place
/// be in the middle of one.
fn new_of(text: &str, has: usize) -> &str {
    if has >= text.len() {
        return "";
    }
    &text[text.ceil_char_boundary(has)..]
}

/// Where the first event of a long text ends: after a line, where one ends in time.
fn end_of_first(text: &str) -> usize {
    if text.len() <= LIVE_TEXT_BYTES {
        return text.len();
    }
    let end = text.floor_char_boundary(LIVE_TEXT_BYTES);
    text[..end].rfind('\n').map_or(end, |line| line + 1)
}

#[cfg(test)]
mod tests;
