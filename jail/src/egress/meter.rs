//! Bytes to and from hosts, counted and bounded.
//!
//! Counted is what goes through the worker's connection to a host: TLS and headers are
//! in it, the words with the proxy are not.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What an execution moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// It wanted more than it may: its connections were closed.
    pub is_cut: bool,
    /// A host that may be reached was not, or broke off.
    pub has_failed: bool,
}

/// Of one execution; all its connections share it.
#[derive(Debug)]
pub(super) struct Meter {
    most: u64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    is_cut: AtomicBool,
    has_failed: AtomicBool,
}

impl Meter {
    pub(super) const fn new(most: u64) -> Self {
        Self {
            most,
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            is_cut: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
        }
    }

    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
            is_cut: self.is_cut(),
            has_failed: self.has_failed.load(Ordering::Relaxed),
        }
    }

    pub(super) const fn most(&self) -> u64 {
        self.most
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    pub(super) fn failed(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
    }

    fn left(&self) -> usize {
        let Traffic {
            bytes_in,
            bytes_out,
            ..
        } = self.traffic();
        let left = self.most.saturating_sub(bytes_in).saturating_sub(bytes_out);
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    fn cut(&self) -> io::Error {
        self.is_cut.store(true, Ordering::Relaxed);
        io::Error::other("the execution has used its network up")
    }
}

/// A connection to a host, metered. All of an execution's run on one thread.
#[derive(Debug)]
pub(super) struct Metered<T> {
    inner: T,
    meter: Arc<Meter>,
}

impl<T> Metered<T> {
    pub(super) const fn new(inner: T, meter: Arc<Meter>) -> Self {
        Self { inner, meter }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.meter.left();
        // One more than may come tells whether that is more, or the end.
        let most = into.remaining().min(left.saturating_add(1));
        let mut piece = ReadBuf::new(into.initialize_unfilled_to(most));
        let read = ready!(Pin::new(&mut self.inner).poll_read(context, &mut piece));
        let got = piece.filled().len();
        if let Err(error) = read {
            self.meter.failed();
            return Poll::Ready(Err(error));
        }
        if got > left {
            return Poll::Ready(Err(self.meter.cut()));
        }
        into.advance(got);
        self.meter.bytes_in.fetch_add(got as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.meter.left();
        if left == 0 && !bytes.is_empty() {
            return Poll::Ready(Err(self.meter.cut()));
        }
        let most = bytes.len().min(left);
        let wrote = ready!(Pin::new(&mut self.inner).poll_write(context, &bytes[..most]));
        let wrote = wrote.inspect_err(|_| self.meter.failed())?;
        self.meter
            .bytes_out
            .fetch_add(wrote as u64, Ordering::Relaxed);
        Poll::Ready(Ok(wrote))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    fn metered(most: u64) -> (Metered<DuplexStream>, DuplexStream, Arc<Meter>) {
        let (near, far) = duplex(64);
        let meter = Arc::new(Meter::new(most));
        (Metered::new(near, meter.clone()), far, meter)
    }

    #[tokio::test]
    async fn both_directions_share_the_bound_and_standing_on_it_is_well() {
        let (mut near, mut far, meter) = metered(10);
        near.write_all(b"four").await.unwrap();
        far.write_all(b"sixsix").await.unwrap();
        drop(far);
        let mut got = Vec::new();
        near.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"sixsix");
        let traffic = meter.traffic();
        assert_eq!((traffic.bytes_in, traffic.bytes_out), (6, 4));
        assert!(!traffic.is_cut);
    }

    #[tokio::test]
    async fn one_byte_past_the_bound_is_not_passed_on() {
        let (mut near, mut far, meter) = metered(10);
        far.write_all(b"eleven byte").await.unwrap();
        let mut got = Vec::new();
        near.read_to_end(&mut got).await.unwrap_err();
        assert!(meter.is_cut() && got.len() <= 10);

        let (mut near, _far, meter) = metered(10);
        near.write_all(b"ten bytes!").await.unwrap();
        assert!(!meter.is_cut());
        near.write_all(b"!").await.unwrap_err();
        assert!(meter.is_cut());
        assert_eq!(meter.traffic().bytes_out, 10);
    }
}
