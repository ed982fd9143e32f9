//! Why a request goes nowhere: in the status line, which is what clients show.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;

use super::dial::DialError;
use super::hosts::Wanted;
use crate::limits::CONNECTIONS_IN_ALL;

/// A host's, or ours.
pub(super) type Body = Either<Incoming, Full<Bytes>>;

/// Why a request goes nowhere, as the code is told.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the network is there while an execution runs")]
    Shut,
    #[error("more than {0} connections at once")]
    Full(usize),
    #[error("this host has as many connections as it can have")]
    Crowded,
    #[error("this is a proxy: CONNECT a host and a port, or ask for an http:// address")]
    NoProxyRequest,
    #[error("a body is sent as it is, or chunked and nothing else")]
    Coding,
    #[error("{0} is not among the hosts this version names")]
    Unnamed(Wanted),
    #[error("this execution has moved {} MiB, the most it may", .0 >> 20)]
    UsedUp(u64),
    #[error("this execution has made {CONNECTIONS_IN_ALL} connections, the most it may")]
    Dialled,
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("{0} did not answer as a server does")]
    Upstream(Wanted, #[source] Option<hyper::Error>),
}

impl Refusal {
    const fn status(&self) -> StatusCode {
        match self {
            Self::NoProxyRequest => StatusCode::BAD_REQUEST,
            Self::Shut
            | Self::Unnamed(_)
            | Self::UsedUp(_)
            | Self::Dialled
            | Self::Dial(DialError::NoAddress(_)) => StatusCode::FORBIDDEN,
            Self::Coding => StatusCode::NOT_IMPLEMENTED,
            Self::Full(_) | Self::Crowded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Dial(_) | Self::Upstream(..) => StatusCode::BAD_GATEWAY,
        }
    }

    pub(super) fn answer(&self) -> Response<Body> {
        let text = self.to_string();
        let mut answer = Response::new(Either::Right(Full::from(format!("{text}\n"))));
        *answer.status_mut() = self.status();
        if let Ok(reason) = ReasonPhrase::try_from(text.into_bytes()) {
            answer.extensions_mut().insert(reason);
        }
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        answer.headers_mut().insert(header::CONTENT_TYPE, plain);
        answer
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        answer
    }
}
