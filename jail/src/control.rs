//! The worker's end of a template's control socket.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::frame::{FrameError, HEADER, Header, Kind, frame};

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("the sandbox closed its control socket")]
    Closed,
    #[error("the control socket failed")]
    Io(#[from] io::Error),
    #[error("the sandbox sent no good frame")]
    Frame(#[from] FrameError),
}

#[derive(Debug)]
pub(crate) struct Control {
    stream: UnixStream,
    /// Read but not yet a whole frame.
    got: Vec<u8>,
}

impl Control {
    pub(crate) fn new(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        Ok(Self {
            stream: UnixStream::from_std(stream)?,
            got: Vec::new(),
        })
    }

    /// Sends a frame; the descriptors travel with its first byte.
    pub(crate) async fn send(
        &self,
        kind: Kind,
        value: u64,
        body: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), ControlError> {
        let bytes = frame(kind, value, &[body]);
        let mut sent = 0;
        while sent < bytes.len() {
            let rights: &[BorrowedFd<'_>] = if sent == 0 { fds } else { &[] };
            sent += self
                .stream
                .async_io(Interest::WRITABLE, || {
                    send_some(self.stream.as_fd(), &bytes[sent..], rights)
                })
                .await?;
        }
        Ok(())
    }

    /// The next frame, of at most `most` bytes. Keeps what it read when it is dropped.
    pub(crate) async fn receive(&mut self, most: usize) -> Result<(Header, Vec<u8>), ControlError> {
        loop {
            if let Some(frame) = self.whole_frame(most)? {
                return Ok(frame);
            }
            self.stream.readable().await?;
            match self.stream.try_read_buf(&mut self.got) {
                Ok(0) => return Err(ControlError::Closed),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Room that what was read takes.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.got.capacity()
    }

    fn whole_frame(&mut self, most: usize) -> Result<Option<(Header, Vec<u8>)>, ControlError> {
        let Some(head) = self.got.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let header = Header::parse(head)?;
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        if length > most {
            return Err(FrameError::Length(header.length, most).into());
        }
        if self.got.len() < HEADER + length {
            return Ok(None);
        }
        let rest = self.got.split_off(HEADER + length);
        let mut body = std::mem::replace(&mut self.got, rest);
        body.drain(..HEADER);
        Ok(Some((header, body)))
    }
}

fn send_some(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let raw: Vec<i32> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let messages: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    let sent = sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(bytes)],
        messages,
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    Ok(sent)
}
