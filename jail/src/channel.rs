//! What joins the worker and one execution: a socket for request and answer, two pipes
//! for what is printed. The worker makes them and hands the far ends over; it never
//! takes a descriptor from a sandbox.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::OFlag;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use crate::limits::LOG_BYTES;
use crate::mask::{Mask, MaskStream};
use crate::sys;
use crate::text::whole;

const CHUNK: usize = 16 << 10;
/// What most answers and most logs fit into.
const SIP: usize = 2 << 10;

/// Near ends.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) answer: Answer,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
}

/// Far ends, to be sent in this order.
#[derive(Debug)]
pub(crate) struct FarEnds([OwnedFd; 3]);

impl FarEnds {
    pub(crate) fn borrow(&self) -> [BorrowedFd<'_>; 3] {
        let [socket, out, err] = &self.0;
        [socket.as_fd(), out.as_fd(), err.as_fd()]
    }
}

/// With `refuse_descriptors`, which a test may take away, none can be sent through the far end.
pub(crate) fn make(refuse_descriptors: bool) -> io::Result<(Channel, FarEnds)> {
    let (near, far) = std::os::unix::net::UnixStream::pair()?;
    if refuse_descriptors {
        sys::refuse_descriptors(&near)?;
    }
    near.set_nonblocking(true)?;
    let (stdout, out) = Capture::make(LOG_BYTES)?;
    let (stderr, err) = Capture::make(LOG_BYTES)?;
    let answer = Answer {
        socket: UnixStream::from_std(near)?,
        got: Vec::new(),
        closed: false,
    };
    let channel = Channel {
        answer,
        stdout,
        stderr,
    };
    Ok((channel, FarEnds([far.into(), out, err])))
}

/// The near end of the socket: everything that came, unjudged.
#[derive(Debug)]
pub(crate) struct Answer {
    socket: UnixStream,
    pub(crate) got: Vec<u8>,
    closed: bool,
}

impl Answer {
    pub(crate) async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.socket.write_all(frame).await
    }

    pub(crate) const fn is_open(&self) -> bool {
        !self.closed
    }

    /// Waits for more and takes it.
    pub(crate) async fn fill(&mut self) -> io::Result<()> {
        self.socket.readable().await?;
        self.got
            .reserve(if self.got.is_empty() { SIP } else { CHUNK });
        match self.socket.try_read_buf(&mut self.got) {
            Ok(0) => self.closed = true,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => self.closed = true,
            _ => {}
        }
        Ok(())
    }

    /// Takes what is there, up to `most` in all, when nothing more can come. Asks the
    /// kernel, not the runtime, which may not have heard of it yet.
    pub(crate) fn take_rest(&mut self, most: usize) {
        if !self.closed && self.got.len() <= most {
            let got = &mut self.got;
            self.closed = drain(self.socket.as_fd(), |piece| {
                got.extend_from_slice(piece);
                got.len() <= most
            });
        }
    }
}

/// Gives what is there, in pieces, as long as more is wanted; and whether the far end is closed.
fn drain(from: BorrowedFd<'_>, mut take: impl FnMut(&[u8]) -> bool) -> bool {
    let mut piece = vec![0; SIP];
    loop {
        match nix::unistd::read(from, &mut piece) {
            Ok(0) => return true,
            Ok(read) if !take(&piece[..read]) => return false,
            // More than most have: the rest in larger pieces.
            Ok(read) if read == piece.len() => piece.resize(CHUNK, 0),
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(_) => return false,
        }
    }
}

/// The near end of a pipe: keeps the beginning, counts the rest.
///
/// Most executions are over before a pipe of theirs is full: only those that take longer
/// are worth watching it. What is in one that nobody watched is taken at the end.
#[derive(Debug)]
pub(crate) struct Capture {
    pipe: Pipe,
    log: Log,
    closed: bool,
}

/// The beginning of what was printed, and how much it was.
#[derive(Debug)]
struct Log {
    kept: Vec<u8>,
    most: usize,
    total: u64,
    /// There was more than is kept.
    cut: bool,
    /// Before anything is kept, or cut.
    mask: Option<Box<MaskStream>>,
}

impl Log {
    fn add(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        if self.kept.len() == self.most {
            // What is thrown away needs no mask, nor does what the mask holds back: it comes
            // after what is kept.
            self.cut |= !bytes.is_empty();
            return;
        }
        match &mut self.mask {
            None => self.keep(bytes),
            Some(mask) => {
                let shown = mask.push(bytes);
                self.keep(&shown);
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.most - self.kept.len();
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.cut |= bytes.len() > room;
    }

    /// What the mask held back.
    fn finish(&mut self, rest: fn(MaskStream) -> Vec<u8>) {
        if let Some(mask) = self.mask.take() {
            self.keep(&rest(*mask));
        }
    }
}

#[derive(Debug)]
enum Pipe {
    Unwatched(OwnedFd),
    Watched(pipe::Receiver),
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unwatched(pipe) => pipe.as_fd(),
            Self::Watched(pipe) => pipe.as_fd(),
        }
    }
}

impl Capture {
    /// Not watched yet; and the far end, which blocks.
    pub(crate) fn make(most: usize) -> io::Result<(Self, OwnedFd)> {
        let (near, far) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let flags = nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK);
        nix::fcntl::fcntl(&near, flags)?;
        Ok((Self::new(Pipe::Unwatched(near), most), far))
    }

    /// Watched. `near` must not block.
    pub(crate) fn of(near: OwnedFd, most: usize) -> io::Result<Self> {
        let pipe = pipe::Receiver::from_owned_fd(near)?;
        Ok(Self::new(Pipe::Watched(pipe), most))
    }

    const fn new(pipe: Pipe, most: usize) -> Self {
        Self {
            pipe,
            log: Log {
                kept: Vec::new(),
                most,
                total: 0,
                cut: false,
                mask: None,
            },
            closed: false,
        }
    }

    /// Covers what comes from here on.
    pub(crate) fn cover(&mut self, mask: &Mask) {
        self.log.mask = (!mask.is_empty()).then(|| Box::new(mask.stream()));
    }

    /// Whoever printed was killed, maybe in the middle of a value.
    pub(crate) fn cut(&mut self) {
        self.log.finish(MaskStream::finish_cut);
    }

    /// From here on [`Capture::fill`] takes what comes.
    pub(crate) fn watch(&mut self) -> io::Result<()> {
        if let Pipe::Unwatched(pipe) = &self.pipe {
            // A second descriptor, so that this one stays whole where watching fails.
            self.pipe = Pipe::Watched(pipe::Receiver::from_owned_fd(pipe.try_clone()?)?);
        }
        Ok(())
    }

    pub(crate) const fn is_open(&self) -> bool {
        !self.closed
    }

    pub(crate) const fn total(&self) -> u64 {
        self.log.total
    }

    /// The beginning of what came.
    pub(crate) fn kept(&self) -> &[u8] {
        &self.log.kept
    }

    /// Waits for more and takes a bounded piece of it: the caller looks at the total in between.
    /// For ever, where nobody watches it.
    pub(crate) async fn fill(&mut self) -> io::Result<()> {
        let Pipe::Watched(pipe) = &self.pipe else {
            return std::future::pending().await;
        };
        pipe.readable().await?;
        let mut chunk = [0; CHUNK];
        // Covering takes longer than reading, and others wait.
        let chunks = if self.log.mask.is_some() { 1 } else { 16 };
        for _ in 0..chunks {
            match pipe.try_read(&mut chunk) {
                Ok(0) => self.closed = true,
                Ok(read) => {
                    self.log.add(&chunk[..read]);
                    continue;
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => self.closed = true,
                Err(_) => {}
            }
            return Ok(());
        }
        Ok(())
    }

    /// Takes what is there when nothing more can come, past `most` in all without reading on.
    /// Asks the kernel, not the runtime, which may not have heard of it yet.
    pub(crate) fn take_rest(&mut self, most: u64) {
        if !self.closed && self.log.total <= most {
            let log = &mut self.log;
            self.closed = drain(self.pipe.as_fd(), |piece| {
                log.add(piece);
                log.total <= most
            });
        }
    }

    /// As text: replacement characters for what is no UTF-8, cut between characters and
    /// marked where something is missing. At most `most` bytes; and whether it was cut.
    pub(crate) fn into_text(mut self) -> (String, bool) {
        self.log.finish(MaskStream::finish);
        let Log {
            kept,
            most,
            total,
            cut,
            ..
        } = self.log;
        // A character that the bound cut in two is no replacement.
        let whole = if cut { whole(&kept) } else { kept.len() };
        let text = String::from_utf8_lossy(&kept[..whole]);
        if !cut && text.len() <= most {
            return (text.into_owned(), false);
        }
        let mark = format!("\n[cut: {total} bytes were printed]\n");
        let end = text.floor_char_boundary(most.saturating_sub(mark.len()));
        (format!("{}{mark}", &text[..end]), true)
    }
}
