//! The worker's end of the two sockets, fed by a child or a template that says anything.

use std::cell::Cell;
use std::io::Write as _;
use std::os::unix::net::UnixStream as StdStream;

use fuzzing::proptest::prelude::*;
use fuzzing::proptest::test_runner::TestCaseError;
use fuzzing::{pieces, target};

use super::streams::streams;
use crate::channel;
use crate::control::{Control, ControlError};
use crate::execute::is_whole;
use crate::frame::{FrameError, HEADER, Header, frame, only};

/// Longest body that is taken here.
const MOST: usize = 48;

/// What the description in `frame.rs` says of bytes: the first frame's kind, value and body,
/// and what is behind it.
type First<'a> = (u8, u64, &'a [u8], &'a [u8]);

fn first(bytes: &[u8]) -> Result<First<'_>, FrameError> {
    if bytes.len() < 16 {
        return Err(FrameError::Short);
    }
    let (head, rest) = bytes.split_at(16);
    if head[0] != 1 {
        return Err(FrameError::Format(head[0]));
    }
    if head[2] | head[3] != 0 {
        return Err(FrameError::Reserved);
    }
    if !matches!(head[1], 1..=3 | 16..=18 | 32 | 48 | 49) {
        return Err(FrameError::Kind(head[1]));
    }
    let number = |of: &[u8]| {
        of.iter()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let length = usize::try_from(number(&head[4..8])).expect("four bytes");
    if rest.len() < length {
        return Err(FrameError::Short);
    }
    Ok((
        head[1],
        number(&head[8..]),
        &rest[..length],
        &rest[length..],
    ))
}

fn length_of(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]])
}

#[test]
fn one_whole_frame_is_read_and_all_else_is_refused_for_what_it_is() {
    let good = Cell::new(0);
    target!("frames", 16).try_all(streams(), |bytes| {
        let read = only(bytes);
        match first(bytes) {
            Err(error) => prop_assert_eq!(read, Err(error)),
            Ok((.., rest)) if !rest.is_empty() => prop_assert_eq!(read, Err(FrameError::Trailing)),
            Ok((kind, value, body, _)) => {
                let (header, read) =
                    read.map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!((header.kind as u8, header.value, read), (kind, value, body));
                prop_assert_eq!(frame(header.kind, value, &[body]), bytes);
                good.set(good.get() + 1);
            }
        }
        Ok(())
    });
    assert!(good.get() > 300, "only {} were frames", good.get());
}

/// Any frame or the error that ends it, as a control socket gives them.
#[derive(Debug, PartialEq)]
enum Told {
    Frame(u8, u64, Vec<u8>),
    Refused(FrameError),
    Closed,
}

fn all_told(mut bytes: &[u8]) -> Vec<Told> {
    let mut told = Vec::new();
    loop {
        let head = bytes.first_chunk::<HEADER>().map(Header::parse);
        let (one, rest) = match (head, first(bytes)) {
            (Some(Ok(_)), _) if length_of(bytes) as usize > MOST => (
                Told::Refused(FrameError::Length(length_of(bytes), MOST)),
                None,
            ),
            (_, Ok((kind, value, body, rest))) => {
                (Told::Frame(kind, value, body.to_vec()), Some(rest))
            }
            (_, Err(FrameError::Short)) => (Told::Closed, None),
            (_, Err(error)) => (Told::Refused(error), None),
        };
        told.push(one);
        match rest {
            Some(rest) => bytes = rest,
            None => return told,
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Writes the next piece each time it is asked; closes after the last.
struct Feed<'a> {
    far: Option<StdStream>,
    pieces: Box<dyn Iterator<Item = &'a [u8]> + 'a>,
}

impl<'a> Feed<'a> {
    fn new(far: StdStream, bytes: &'a [u8]) -> Self {
        Self {
            far: Some(far),
            pieces: Box::new(pieces(bytes, 40)),
        }
    }

    async fn next(&mut self) {
        match (self.pieces.next(), &mut self.far) {
            // The near end may have had enough.
            (Some(piece), Some(far)) => drop(far.write(piece)),
            _ => self.far = None,
        }
        // So that the runtime hears of it before the next piece.
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_control_socket_gives_the_frames_however_they_are_cut_and_keeps_no_more_than_its_bound() {
    let runtime = runtime();
    target!("frames", 4).try_all(streams(), |bytes| {
        let told = runtime.block_on(async {
            let (near, far) = StdStream::pair().unwrap();
            near.set_nonblocking(true).unwrap();
            let mut control = Control::new(near).unwrap();
            let mut feed = Feed::new(far, bytes);
            let mut told = Vec::new();
            loop {
                let one = tokio::select! {
                    biased;
                    one = control.receive(MOST) => one,
                    () = feed.next() => continue,
                };
                prop_assert!(
                    control.held() <= 2 * (HEADER + MOST).max(64),
                    "{}",
                    control.held()
                );
                told.push(match one {
                    Ok((header, body)) => Told::Frame(header.kind as u8, header.value, body),
                    Err(ControlError::Frame(error)) => Told::Refused(error),
                    Err(ControlError::Closed) => Told::Closed,
                    Err(ControlError::Io(error)) => panic!("{error}"),
                });
                if !matches!(told.last(), Some(Told::Frame(..))) {
                    return Ok(told);
                }
            }
        })?;
        prop_assert_eq!(told, all_told(bytes));
        Ok(())
    });
}

#[test]
fn an_answer_is_whole_with_its_last_byte_and_never_before() {
    let runtime = runtime();
    target!("frames", 4).try_all(streams(), |bytes| {
        let whole_at = match first(bytes) {
            Ok((.., rest)) => Some(bytes.len() - rest.len()),
            Err(_) => None,
        };
        runtime.block_on(async {
            let (mut channel, far) = channel::make(true).unwrap();
            let socket = far.borrow()[0].try_clone_to_owned().unwrap();
            drop(far);
            let mut feed = Feed::new(socket.into(), bytes);
            let answer = &mut channel.answer;
            while answer.is_open() {
                tokio::select! {
                    biased;
                    filled = answer.fill() => filled.unwrap(),
                    () = feed.next() => {}
                }
                let got = answer.got.len();
                prop_assert_eq!(is_whole(&answer.got), whole_at.is_some_and(|at| got >= at));
            }
            prop_assert_eq!(&answer.got[..], bytes);
            Ok(())
        })
    });
}
