//! The frames of `jail/src/frame.rs`, as far as the loop speaks them.

use std::io;

use libc::{c_int, c_void};

const FORMAT: u8 = 1;
pub(crate) const HEADER: usize = 16;
pub(crate) const NEXT: u8 = 3;
pub(crate) const ENDED: u8 = 18;
pub(crate) const REQUEST: u8 = 32;
pub(crate) const RESULT: u8 = 48;
pub(crate) const FAILURE: u8 = 49;

pub(crate) struct Header {
    pub(crate) kind: u8,
    pub(crate) length: usize,
    pub(crate) value: u64,
}

/// `None` where it is of another format: the worker is of another release.
pub(crate) fn parse(head: [u8; HEADER]) -> Option<Header> {
    let [format, kind, _, _, l0, l1, l2, l3, value @ ..] = head;
    let length = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).ok()?;
    (format == FORMAT).then_some(Header {
        kind,
        length,
        value: u64::from_be_bytes(value),
    })
}

pub(crate) fn header(kind: u8, length: usize, value: u64) -> [u8; HEADER] {
    let mut head = [0; HEADER];
    head[0] = FORMAT;
    head[1] = kind;
    // Results are bounded far below 4 GiB; a longer length would be refused by the worker.
    head[4..8].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    head[8..].copy_from_slice(&value.to_be_bytes());
    head
}

/// Fills `into`; `Ok(false)` where the other side is gone.
pub(crate) fn read_exact(fd: c_int, into: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < into.len() {
        let rest = &mut into[filled..];
        // SAFETY: pointer and length are of one live slice.
        let read = unsafe { libc::read(fd, rest.as_mut_ptr().cast::<c_void>(), rest.len()) };
        match usize::try_from(read) {
            Ok(0) => return Ok(false),
            Ok(read) => filled += read,
            Err(_) => retry_if_interrupted()?,
        }
    }
    Ok(true)
}

/// Writes a header and a body, with one call in the usual case.
pub(crate) fn write_both(fd: c_int, head: &[u8], body: &[u8]) -> io::Result<()> {
    let parts = [part(head), part(body)];
    // SAFETY: both parts are live slices; the kernel only reads them.
    let wrote = unsafe { libc::writev(fd, parts.as_ptr(), 2) };
    let mut done = match usize::try_from(wrote) {
        Ok(done) => done,
        Err(_) => {
            retry_if_interrupted()?;
            0
        }
    };
    for bytes in [head, body] {
        let skip = done.min(bytes.len());
        done -= skip;
        write_all(fd, &bytes[skip..])?;
    }
    Ok(())
}

fn part(bytes: &[u8]) -> libc::iovec {
    libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    }
}

fn write_all(fd: c_int, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // SAFETY: pointer and length are of one live slice.
        let wrote = unsafe { libc::write(fd, bytes.as_ptr().cast::<c_void>(), bytes.len()) };
        match usize::try_from(wrote) {
            Ok(wrote) => bytes = &bytes[wrote..],
            Err(_) => retry_if_interrupted()?,
        }
    }
    Ok(())
}

/// The last error, unless it only says that a signal came.
fn retry_if_interrupted() -> io::Result<()> {
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::Interrupted {
        Ok(())
    } else {
        Err(error)
    }
}
