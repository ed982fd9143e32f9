//! A request's body, lent to whoever answers and taken back.
//!
//! Who refuses a request before its body has arrived must still let it arrive, as far
//! as that is reasonable: closing a connection with unread bytes resets it, and the
//! client never sees the refusal.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::oneshot;

/// Read and thrown away of what nobody asked for.
const DISCARDED: u64 = 8 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

/// The body, until it is dropped.
struct Lent {
    body: Option<Incoming>,
    back: Option<oneshot::Sender<Incoming>>,
}

/// Where the body comes back to, if it was not read to its end.
pub(crate) struct Lender(oneshot::Receiver<Incoming>);

pub(crate) fn lend(body: Incoming) -> (Body, Lender) {
    let (back, returned) = oneshot::channel();
    let lent = Lent {
        body: Some(body),
        back: Some(back),
    };
    (Body::new(lent), Lender(returned))
}

impl Lender {
    /// Lets the rest arrive, within bounds, and throws it away.
    pub(crate) async fn discard(mut self) {
        let Ok(mut body) = self.0.try_recv() else {
            return;
        };
        if body.size_hint().lower() > DISCARDED {
            return;
        }
        let arriving = async {
            let mut arrived = 0;
            while let Some(Ok(frame)) = body.frame().await {
                arrived += frame.data_ref().map_or(0, Bytes::len) as u64;
                if arrived > DISCARDED {
                    return;
                }
            }
        };
        // Out of patience: the answer goes out, whether or not it is seen.
        let _ = tokio::time::timeout(PATIENCE, arriving).await;
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take())
            && !body.is_end_stream()
        {
            // Nobody takes it back where the whole request was given up.
            let _ = back.send(body);
        }
    }
}
