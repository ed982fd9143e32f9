//! What travels between the worker and the runner: a fixed header and opaque bytes.
//!
//! ```text
//!  0        1        2        4             8                    16
//!  | format | kind   | zero   | length      | value               | length bytes …
//!  | 1      | u8     | u16    | u32         | u64                 |
//! ```
//! Numbers are big-endian. `format` is [`FORMAT`]; a runner answers in the format it
//! was spoken to. What `value` means depends on the kind.
//!
//! Two sockets, both streams. The **control** socket joins the worker and the
//! template for a sandbox's life:
//!
//! | kind | from | value | bytes |
//! |---|---|---|---|
//! | `Boot` | worker | 0: JSON list of `[part, source]`; 1: the same compiled | the runner |
//! | `Ready` | template | 0 | the compiled runner, where it was given as source |
//! | `Bind` | worker | 0: to serve; 1: to describe | JSON: code, environment and settings |
//! | `Bound` | template | 0 | JSON: what was found, or why it failed |
//! | `Next` | worker | 0 | none; three descriptors: channel, stdout, stderr |
//! | `Ended` | template | processes it had to kill | wait status `u32`, flags `u32` |
//!
//! A **channel** joins the worker and one execution's process, made by the worker:
//!
//! | kind | from | value | bytes |
//! |---|---|---|---|
//! | `Request` | worker | where the input begins | longest result (u32), length of the environment (u32), environment (JSON, or nothing), context (JSON), then input (JSON) |
//! | `Result` | child | 0 | the result (JSON) |
//! | `Failure` | child | 0 | JSON: code, type, message, traceback, pointer, exit_code |
//!
//! A child sends exactly one frame. The worker believes a channel only about its own
//! execution, a control socket only about its own version, and neither about limits.

pub(crate) const FORMAT: u8 = 1;
pub(crate) const HEADER: usize = 16;
/// Bytes of an `Ended`.
pub(crate) const ENDED_BYTES: usize = 8;
/// `Ended`: something was left and is gone; something is left still.
#[expect(
    dead_code,
    reason = "part of the format; a swept sandbox is as good as before"
)]
pub(crate) const SWEPT: u32 = 1;
pub(crate) const DIRTY: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Boot = 1,
    Bind = 2,
    Next = 3,
    Ready = 16,
    Bound = 17,
    Ended = 18,
    Request = 32,
    Result = 48,
    Failure = 49,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) length: u32,
    pub(crate) value: u64,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("format {0} is not one this release reads")]
    Format(u8),
    #[error("kind {0} is unknown or not expected here")]
    Kind(u8),
    #[error("reserved bits are set")]
    Reserved,
    #[error("{0} bytes announced, at most {1} are taken")]
    Length(u32, usize),
    #[error("it ends too early")]
    Short,
    #[error("something follows the frame")]
    Trailing,
}

impl Kind {
    fn parse(byte: u8) -> Option<Self> {
        [
            Self::Boot,
            Self::Bind,
            Self::Next,
            Self::Ready,
            Self::Bound,
            Self::Ended,
            Self::Request,
            Self::Result,
            Self::Failure,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

impl Header {
    pub(crate) fn encode(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0] = FORMAT;
        bytes[1] = self.kind as u8;
        bytes[4..8].copy_from_slice(&self.length.to_be_bytes());
        bytes[8..].copy_from_slice(&self.value.to_be_bytes());
        bytes
    }

    pub(crate) fn parse(bytes: &[u8; HEADER]) -> Result<Self, FrameError> {
        let [format, kind, r0, r1, l0, l1, l2, l3, value @ ..] = *bytes;
        if format != FORMAT {
            return Err(FrameError::Format(format));
        }
        if [r0, r1] != [0, 0] {
            return Err(FrameError::Reserved);
        }
        Ok(Self {
            kind: Kind::parse(kind).ok_or(FrameError::Kind(kind))?,
            length: u32::from_be_bytes([l0, l1, l2, l3]),
            value: u64::from_be_bytes(value),
        })
    }
}

/// A whole frame as bytes. `parts` are joined.
pub(crate) fn frame(kind: Kind, value: u64, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let header = Header {
        kind,
        // Everything sent is bounded far below 4 GiB.
        length: u32::try_from(length).unwrap_or(u32::MAX),
        value,
    };
    let mut bytes = Vec::with_capacity(HEADER + length);
    bytes.extend_from_slice(&header.encode());
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// The one frame in `bytes`, with nothing behind it.
pub(crate) fn only(bytes: &[u8]) -> Result<(Header, &[u8]), FrameError> {
    let (head, rest) = bytes.split_first_chunk().ok_or(FrameError::Short)?;
    let header = Header::parse(head)?;
    let length = usize::try_from(header.length).unwrap_or(usize::MAX);
    match rest.len().cmp(&length) {
        std::cmp::Ordering::Less => Err(FrameError::Short),
        std::cmp::Ordering::Equal => Ok((header, rest)),
        std::cmp::Ordering::Greater => Err(FrameError::Trailing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_back() {
        let bytes = frame(Kind::Request, 7, &[b"context", b"input"]);
        let (header, body) = only(&bytes).unwrap();
        assert_eq!((header.kind, header.value), (Kind::Request, 7));
        assert_eq!(body, b"contextinput");
    }

    #[test]
    fn a_frame_that_is_cut_longer_or_strange_is_refused() {
        let good = frame(Kind::Result, 0, &[b"1"]);
        for len in 0..good.len() {
            assert_eq!(only(&good[..len]), Err(FrameError::Short), "cut at {len}");
        }
        let mut longer = good.clone();
        longer.push(b' ');
        assert_eq!(only(&longer), Err(FrameError::Trailing));
        for (at, error) in [
            (0, FrameError::Format(99)),
            (1, FrameError::Kind(99)),
            (2, FrameError::Reserved),
        ] {
            let mut bad = good.clone();
            bad[at] = 99;
            assert_eq!(only(&bad), Err(error));
        }
    }
}
