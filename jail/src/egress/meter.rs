//! Bytes to and from hosts, counted and bounded.
//!
//! Counted is what is passed on through the worker's connection to a host: TLS and headers
//! are in it; the words with the proxy are not, nor what arrives and nobody reads.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::limits::CONNECTIONS_IN_ALL;

/// What an execution moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// It wanted more than it may: its connections were closed.
    pub is_cut: bool,
    /// A host that may be reached could not be.
    pub has_failed: bool,
}

/// Of one execution; all its connections share it, and end with it.
#[derive(Debug)]
pub(super) struct Meter {
    most: u64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    dials: AtomicU32,
    is_shut: AtomicBool,
    is_cut: AtomicBool,
    has_failed: AtomicBool,
    ends: Notify,
}

impl Meter {
    pub(super) fn new(most: u64) -> Self {
        Self {
            most,
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            dials: AtomicU32::new(0),
            is_shut: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            ends: Notify::new(),
        }
    }

    /// Nothing goes through any more, from now on.
    pub(super) fn shut(&self) {
        self.is_shut.store(true, Ordering::Release);
        self.ends.notify_waiters();
    }

    pub(super) fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Acquire)
    }

    /// Until the connections that are there when this is called are to end.
    pub(super) fn ends(&self) -> Notified<'_> {
        self.ends.notified()
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

    /// One more connection, where so many may be made.
    pub(super) fn dials(&self) -> bool {
        self.dials.fetch_add(1, Ordering::Relaxed) < CONNECTIONS_IN_ALL
    }

    /// What may still go through.
    fn left(&self) -> io::Result<usize> {
        if self.is_shut() || self.is_cut() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let Traffic {
            bytes_in,
            bytes_out,
            ..
        } = self.traffic();
        let left = self.most.saturating_sub(bytes_in).saturating_sub(bytes_out);
        Ok(usize::try_from(left).unwrap_or(usize::MAX))
    }

    fn cut(&self) -> io::Error {
        self.is_cut.store(true, Ordering::Relaxed);
        self.ends.notify_waiters();
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
        let left = match self.meter.left() {
            Ok(left) => left,
            Err(error) => return Poll::Ready(Err(error)),
        };
        // One more than may come tells whether that is more, or the end.
        let most = into.remaining().min(left.saturating_add(1));
        let mut piece = ReadBuf::new(into.initialize_unfilled_to(most));
        let read = ready!(Pin::new(&mut self.inner).poll_read(context, &mut piece));
        let got = piece.filled().len();
        read?;
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
        let left = match self.meter.left() {
            Ok(left) => left,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if left == 0 && !bytes.is_empty() {
            return Poll::Ready(Err(self.meter.cut()));
        }
        let most = bytes.len().min(left);
        let wrote = ready!(Pin::new(&mut self.inner).poll_write(context, &bytes[..most]));
        let wrote = wrote?;
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
    async fn nothing_goes_through_once_it_is_shut_and_who_waits_is_told() {
        let (mut near, mut far, meter) = metered(10);
        let ended = meter.ends();
        far.write_all(b"late").await.unwrap();
        meter.shut();
        ended.await;
        near.read_u8().await.unwrap_err();
        near.write_all(b"!").await.unwrap_err();
        assert_eq!(meter.traffic(), Traffic::default());
    }

    #[test]
    fn as_many_connections_are_asked_for_as_may_be() {
        let meter = Meter::new(0);
        assert!((0..CONNECTIONS_IN_ALL).all(|_| meter.dials()));
        assert!(!meter.dials());
    }

    #[tokio::test]
    async fn one_byte_past_the_bound_is_not_passed_on() {
        let (mut near, mut far, meter) = metered(10);
        far.write_all(b"eleven byte").await.unwrap();
        let mut got = Vec::new();
        near.read_to_end(&mut got).await.unwrap_err();
        assert!(meter.is_cut() && got.len() <= 10);

        // Another connection of the same execution is over as well.
        let (mut other, mut beyond) = duplex(64);
        beyond.write_all(b"x").await.unwrap();
        Metered::new(&mut other, meter).read_u8().await.unwrap_err();

        let (mut near, _far, meter) = metered(10);
        near.write_all(b"ten bytes!").await.unwrap();
        assert!(!meter.is_cut());
        near.write_all(b"!").await.unwrap_err();
        assert!(meter.is_cut());
        assert_eq!(meter.traffic().bytes_out, 10);
    }
}
