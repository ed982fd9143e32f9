//! The three readers of frames (the worker's, the native loop's, the one in Python) take the
//! same frames to mean the same.

use std::cell::Cell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use fuzzing::proptest::prelude::*;
use fuzzing::{pieces, target};

use super::streams::streams;
use crate::frame::{FORMAT, Header};

/// The loop itself can't be linked without an interpreter; what it reads frames with can.
#[path = "../../runner/src/frame.rs"]
#[expect(unsafe_code, dead_code, reason = "a file of the runner's, as it is")]
mod native;

/// Kind, value, body.
type Frame = (u8, u64, Vec<u8>);

/// `frames.py`, in an interpreter of its own.
struct Python {
    process: Child,
    cases: ChildStdin,
    told: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Self {
        let folder = |name: &str| format!("{}/src/{name}", env!("CARGO_MANIFEST_DIR"));
        let mut process = Command::new("/usr/bin/python3")
            .args([
                "-I",
                "-B",
                &folder("fuzz/frame_reader.py"),
                &folder("runner"),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Debian's python3 is there");
        let cases = process.stdin.take().unwrap();
        let told = BufReader::new(process.stdout.take().unwrap());
        Self {
            process,
            cases,
            told,
        }
    }

    fn read(&mut self, bytes: &[u8]) -> Vec<Frame> {
        let number = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
        let lengths: Vec<usize> = pieces(bytes, 40).map(<[u8]>::len).collect();
        let mut case = number(bytes.len()).to_vec();
        case.extend_from_slice(bytes);
        case.extend(number(lengths.len()));
        case.extend(lengths.into_iter().flat_map(number));
        self.cases.write_all(&case).unwrap();
        let mut line = String::new();
        self.told.read_line(&mut line).unwrap();
        let frames: Vec<(u8, u64, String)> = serde_json::from_str(&line).expect("a list of frames");
        let bytes = |hex: &str| {
            let digits: Vec<char> = hex.chars().collect();
            let byte = |two: &[char]| u8::from_str_radix(&two.iter().collect::<String>(), 16);
            digits.chunks(2).map(|two| byte(two).unwrap()).collect()
        };
        frames
            .into_iter()
            .map(|(kind, value, body)| (kind, value, bytes(&body)))
            .collect()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// As `template.rs` and `child.rs` do: a header, then as much as it says.
fn natively(bytes: &[u8]) -> Vec<Frame> {
    let (near, mut far) = UnixStream::pair().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for piece in pieces(bytes, 40) {
                // The reader may have had enough.
                if far.write_all(piece).is_err() {
                    return;
                }
            }
        });
        let mut frames = Vec::new();
        let mut head = [0; native::HEADER];
        while native::read_exact(near.as_raw_fd(), &mut head).unwrap()
            && let Some(header) = native::parse(head)
            // More than was sent is never here, and need not be made room for.
            && header.length <= bytes.len()
        {
            let mut body = vec![0; header.length];
            if !native::read_exact(near.as_raw_fd(), &mut body).unwrap() {
                break;
            }
            frames.push((header.kind, header.value, body));
        }
        drop(near);
        frames
    })
}

#[test]
fn the_native_loop_and_the_one_in_python_read_the_same_frames() {
    let python = std::cell::RefCell::new(Python::start());
    let several = Cell::new(0);
    target!("frames", 2).try_all(streams(), |bytes| {
        let native = natively(bytes);
        // Python would make room for it first.
        if announces_too_much(bytes) {
            return Ok(());
        }
        let read = python.borrow_mut().read(bytes);
        prop_assert_eq!(&native, &read);
        several.set(several.get() + usize::from(read.len() > 1));
        Ok(())
    });
    assert!(
        several.get() > 50,
        "only {} had several frames",
        several.get()
    );
}

fn announces_too_much(mut bytes: &[u8]) -> bool {
    while let Some((head, rest)) = bytes.split_first_chunk::<16>() {
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if length > 1 << 20 {
            return true;
        }
        bytes = rest.get(length..).unwrap_or_default();
    }
    false
}

#[test]
fn the_worker_reads_what_the_native_loop_writes_and_it_reads_what_the_worker_writes() {
    target!("frames", 16).try_all(streams(), |bytes| {
        let Some(head) = bytes.first_chunk::<16>() else {
            return Ok(());
        };
        let (ours, theirs) = (Header::parse(head), native::parse(*head));
        prop_assert_eq!(theirs.is_some(), head[0] == FORMAT);
        if let (Ok(ours), Some(theirs)) = (ours, theirs) {
            let length = ours.length as usize;
            prop_assert_eq!(
                (ours.kind as u8, length, ours.value),
                (theirs.kind, theirs.length, theirs.value)
            );
            prop_assert_eq!(
                native::header(theirs.kind, length, ours.value),
                ours.encode()
            );
        }
        Ok(())
    });
}
