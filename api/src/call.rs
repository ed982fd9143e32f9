//! One request whose caller may make it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::RequestExt as _;
use axum::body::Body;
use axum::extract::{ConnectInfo, RawPathParams};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request};
use serde_json::Value;

use crate::app::App;
use crate::body;
use crate::caller::{Caller, authenticate};
use crate::problem::Problem;
use crate::query::Query;
use crate::routes::Access;

/// A request, who makes it, and what its path names.
#[derive(Debug)]
pub(crate) struct Call {
    caller: Option<Caller>,
    path: Vec<(String, String)>,
    head: Parts,
    /// Never locked: a body alone can't be shared between threads.
    body: Mutex<Body>,
}

impl Call {
    /// Finds out who is asking and whether they may, before a byte of the body is read.
    pub(crate) async fn admit(
        app: &Arc<App>,
        access: Access,
        mut request: Request<Body>,
    ) -> Result<Self, Problem> {
        let caller = match access {
            Access::Open => None,
            Access::Needs(scope) => {
                let caller = authenticate(app, request.headers()).await?;
                caller.must_have(scope)?;
                Some(caller)
            }
            Access::NeedsOneOf(scopes) => {
                let caller = authenticate(app, request.headers()).await?;
                caller.must_have_one_of(scopes)?;
                Some(caller)
            }
        };
        // A path that is no UTF-8 names nothing of ours.
        let path = request
            .extract_parts::<RawPathParams>()
            .await
            .map_err(|_| Problem::NotFound("path"))?
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let (head, body) = request.into_parts();
        Ok(Self {
            caller,
            path,
            head,
            body: Mutex::new(body),
        })
    }

    /// Who is asking; on an open route nobody is known.
    pub(crate) fn caller(&self) -> Result<&Caller, Problem> {
        self.caller
            .as_ref()
            .ok_or(Problem::Unauthenticated("credentials are missing"))
    }

    /// A part of the path, as its type reads it; what can't be one names nothing.
    pub(crate) fn named<T: std::str::FromStr>(
        &self,
        name: &str,
        what: &'static str,
    ) -> Result<T, Problem> {
        self.part(name).parse().map_err(|_| Problem::NotFound(what))
    }

    pub(crate) fn part(&self, name: &str) -> &str {
        self.path
            .iter()
            .find(|(given, _)| given == name)
            .map_or("", |(_, value)| value)
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    pub(crate) fn query(&self) -> Result<Query, Problem> {
        Query::of(&self.head.uri)
    }

    /// The other end of the connection: never a header the client writes.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        let ConnectInfo(peer) = self.head.extensions.get::<ConnectInfo<SocketAddr>>()?;
        Some(peer.ip())
    }

    /// The body as a JSON value.
    pub(crate) async fn json(self, limit: usize) -> Result<Value, Problem> {
        body::json(self.into_request(), limit).await
    }

    /// The body as JSON text, not yet parsed.
    pub(crate) async fn text(self, limit: usize) -> Result<Bytes, Problem> {
        body::text(self.into_request(), limit).await
    }

    /// The request itself, for those who speak another protocol over it.
    pub(crate) fn into_request(self) -> Request<Body> {
        let body = self
            .body
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        Request::from_parts(self.head, body)
    }
}
