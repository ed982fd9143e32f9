//! What an execution prints, on its way to those who follow it while it runs.
//!
//! Text travels in batches that name their place: the run they are of, and how much of
//! each stream came before. A run is one start of the execution, named by the microsecond
//! at which it began, which its row and its outcome name too. So who follows knows what
//! it has: a batch that comes twice adds nothing, one after a gap is not taken, and the
//! stored log goes on where the last batch ended.
//!
//! [`Teller`] makes batches, [`Following`] takes them.

mod following;

use jiff::Timestamp;
use serde::Serialize;

pub use following::{Following, Place, PlaceError, Told};

use crate::limits::LIVE_TEXT_BYTES;

const FORMAT: u8 = 1;
const HEADER: usize = 1 + 8 + 4 + 4 + 4;
/// Of each piece besides its text.
const PIECE: usize = 1 + 8 + 4;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Text that came together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub stream: Stream,
    pub text: String,
    pub at: Timestamp,
}

/// Pieces in order, and their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub run: u64,
    /// From 1.
    pub attempt: u32,
    /// Bytes of each stream that came before.
    pub stdout: usize,
    pub stderr: usize,
    pub pieces: Vec<Piece>,
}

/// The name of a run that began then.
#[must_use]
pub fn run_of(started_at: Timestamp) -> u64 {
    u64::try_from(started_at.as_microsecond()).unwrap_or_default()
}

/// Tells one run.
#[derive(Debug)]
pub struct Teller(Batch);

impl Teller {
    #[must_use]
    pub fn new(started_at: Timestamp, attempt: u32) -> Self {
        Self(Batch {
            run: run_of(started_at),
            attempt,
            stdout: 0,
            stderr: 0,
            pieces: Vec::new(),
        })
    }

    #[must_use]
    pub fn run(&self) -> u64 {
        self.0.run
    }

    /// The pieces as batches, encoded; each within its bound.
    pub fn tell(&mut self, pieces: Vec<Piece>) -> Vec<Vec<u8>> {
        let mut batches = Vec::new();
        let mut room = LIVE_TEXT_BYTES;
        for mut piece in pieces {
            while !piece.text.is_empty() {
                let end = piece.text.floor_char_boundary(room.saturating_sub(PIECE));
                if end == 0 {
                    batches.extend(self.filled());
                    room = LIVE_TEXT_BYTES;
                    continue;
                }
                let rest = piece.text.split_off(end);
                room -= PIECE + end;
                let text = std::mem::replace(&mut piece.text, rest);
                self.0.pieces.push(Piece { text, ..piece });
            }
        }
        batches.extend(self.filled());
        batches
    }

    /// The batch under way, if it has anything; the next one begins after it.
    fn filled(&mut self) -> Option<Vec<u8>> {
        let batch = &mut self.0;
        let encoded = (!batch.pieces.is_empty()).then(|| batch.encode());
        for piece in std::mem::take(&mut batch.pieces) {
            match piece.stream {
                Stream::Stdout => batch.stdout += piece.text.len(),
                Stream::Stderr => batch.stderr += piece.text.len(),
            }
        }
        encoded
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BatchError {
    #[error("format {0} is not one this release reads")]
    Format(u8),
    #[error("the batch is cut short")]
    Short,
    #[error("a piece is of no stream, of no time, or no text")]
    Piece,
}

impl Batch {
    /// What [`Batch::decode`] reads: numbers are big-endian.
    fn encode(&self) -> Vec<u8> {
        let texts: usize = self.pieces.iter().map(|piece| piece.text.len()).sum();
        let mut out = Vec::with_capacity(HEADER + self.pieces.len() * PIECE + texts);
        out.push(FORMAT);
        out.extend_from_slice(&self.run.to_be_bytes());
        out.extend_from_slice(&self.attempt.to_be_bytes());
        out.extend_from_slice(&short(self.stdout));
        out.extend_from_slice(&short(self.stderr));
        for piece in &self.pieces {
            out.push(match piece.stream {
                Stream::Stdout => 1,
                Stream::Stderr => 2,
            });
            out.extend_from_slice(&piece.at.as_microsecond().to_be_bytes());
            out.extend_from_slice(&short(piece.text.len()));
            out.extend_from_slice(piece.text.as_bytes());
        }
        out
    }

    /// # Errors
    /// Where it is not what this or the previous release encoded.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, BatchError> {
        let [format] = take(&mut bytes)?;
        if format != FORMAT {
            return Err(BatchError::Format(format));
        }
        let mut batch = Self {
            run: u64::from_be_bytes(take(&mut bytes)?),
            attempt: u32::from_be_bytes(take(&mut bytes)?),
            stdout: length(&mut bytes)?,
            stderr: length(&mut bytes)?,
            pieces: Vec::new(),
        };
        while !bytes.is_empty() {
            let stream = match take(&mut bytes)? {
                [1] => Stream::Stdout,
                [2] => Stream::Stderr,
                [_] => return Err(BatchError::Piece),
            };
            let at = Timestamp::from_microsecond(i64::from_be_bytes(take(&mut bytes)?));
            let length = length(&mut bytes)?;
            let (text, rest) = bytes.split_at_checked(length).ok_or(BatchError::Short)?;
            bytes = rest;
            let text = std::str::from_utf8(text).map_err(|_| BatchError::Piece)?;
            batch.pieces.push(Piece {
                stream,
                text: text.to_owned(),
                at: at.map_err(|_| BatchError::Piece)?,
            });
        }
        Ok(batch)
    }
}

/// Lengths of kept text are far below four GiB.
fn short(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

fn length(bytes: &mut &[u8]) -> Result<usize, BatchError> {
    Ok(u32::from_be_bytes(take(bytes)?) as usize)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], BatchError> {
    let (first, rest) = bytes.split_first_chunk::<N>().ok_or(BatchError::Short)?;
    *bytes = rest;
    Ok(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(stream: Stream, text: &str) -> Piece {
        Piece {
            stream,
            text: text.to_owned(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_batch_reads_back_and_the_next_one_begins_where_it_ended() {
        let mut teller = Teller::new(Timestamp::from_second(7).unwrap(), 2);
        let pieces = vec![piece(Stream::Stdout, "é\n"), piece(Stream::Stderr, "\0")];
        let [first] = teller.tell(pieces.clone()).try_into().unwrap();
        let batch = Batch::decode(&first).unwrap();
        assert_eq!((batch.run, batch.attempt), (7_000_000, 2));
        assert_eq!((batch.stdout, batch.stderr), (0, 0));
        assert_eq!(batch.pieces, pieces);
        let [second] = teller.tell(pieces).try_into().unwrap();
        let batch = Batch::decode(&second).unwrap();
        assert_eq!((batch.stdout, batch.stderr), (3, 1));
        assert!(teller.tell(Vec::new()).is_empty());
    }

    #[test]
    fn a_batch_is_never_longer_than_its_bound_and_cuts_no_character() {
        let mut teller = Teller::new(Timestamp::UNIX_EPOCH, 1);
        let bound = LIVE_TEXT_BYTES - PIECE;
        let on_it = teller.tell(vec![piece(Stream::Stdout, &"x".repeat(bound))]);
        assert_eq!(on_it.len(), 1);
        let text = "→".repeat(bound);
        let mut pieces = vec![piece(Stream::Stderr, &text)];
        pieces.extend((0..5_000).map(|_| piece(Stream::Stderr, "x")));
        let batches = teller.tell(pieces);
        assert!(batches.len() > 3);
        let mut told = String::new();
        for batch in batches {
            assert!(batch.len() <= HEADER + LIVE_TEXT_BYTES);
            let batch = Batch::decode(&batch).unwrap();
            assert_eq!((batch.stdout, batch.stderr), (bound, told.len()));
            told.extend(batch.pieces.iter().map(|piece| piece.text.as_str()));
        }
        assert_eq!(told, text + &"x".repeat(5_000));
    }

    #[test]
    fn what_is_no_batch_is_refused() {
        let mut teller = Teller::new(Timestamp::UNIX_EPOCH, 1);
        let [good] = teller
            .tell(vec![piece(Stream::Stdout, "text")])
            .try_into()
            .unwrap();
        for cut in 0..good.len() {
            let whole = cut == HEADER;
            assert_eq!(Batch::decode(&good[..cut]).is_ok(), whole, "{cut}");
        }
        let mut other = good.clone();
        other[0] = 2;
        assert_eq!(Batch::decode(&other), Err(BatchError::Format(2)));
        let mut other = good.clone();
        *other.last_mut().unwrap() = 0xff;
        assert_eq!(Batch::decode(&other), Err(BatchError::Piece));
        let mut other = good;
        other[HEADER] = 3;
        assert_eq!(Batch::decode(&other), Err(BatchError::Piece));
    }
}
