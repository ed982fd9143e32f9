//! Around every request: its id, its span, its metrics; a problem written out, a
//! panic turned into one.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::response::Response;
use common::clock::SharedClock;
use common::metrics::ApiMetrics;
use futures_util::FutureExt as _;
use http::{Method, Request, header};
use hyper::body::Incoming;
use tower::Service as _;
use tracing::Instrument as _;

use crate::lent;
use crate::problem::{Problem, Told};
use crate::request_id;

/// The pattern of the route that answered, for metrics: never a path as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RouteLabel(pub(crate) &'static str);

/// What answers one request.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    router: Router,
    metrics: ApiMetrics,
    clock: SharedClock,
}

impl Front {
    pub(crate) fn new(router: Router, metrics: ApiMetrics, clock: SharedClock) -> Self {
        Self {
            router,
            metrics,
            clock,
        }
    }

    /// Answers; never fails and never panics.
    pub(crate) async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response {
        let began = Instant::now();
        let (id, id_header) = request_id::of(request.headers(), self.clock.as_ref());
        let path = request.uri().path().to_owned();
        let method = request.method().clone();
        // Who waits for our leave to send a body has not begun to.
        let arrives = !request.headers().contains_key(header::EXPECT);
        let (head, body) = request.into_parts();
        let (body, lender) = lent::lend(body);
        let mut request = Request::from_parts(head, body);
        request.extensions_mut().insert(ConnectInfo(peer));
        let span = tracing::info_span!("request.answer", request.id = id);
        let mut router = self.router.clone();
        let call = AssertUnwindSafe(async move { router.call(request).await });
        let mut response = match call.catch_unwind().instrument(span.clone()).await {
            Ok(Ok(response)) => response,
            // What it says stays unsaid: it may hold what somebody sent.
            Err(_) => told(Problem::Internal("panicked".into())),
        };
        let label = response.extensions().get::<RouteLabel>().copied();
        if let Some(Told(problem)) = response.extensions_mut().remove::<Told>() {
            let _entered = span.enter();
            response = written(&problem, response, &id, &path);
        }
        response.headers_mut().insert(request_id::HEADER, id_header);
        if arrives {
            lender.discard().await;
        }
        let label = label.map_or("unmatched", |label| label.0);
        self.count(label, &method, response.status().as_str(), began);
        response
    }

    fn count(&self, route: &'static str, method: &Method, status: &str, began: Instant) {
        let took = began.elapsed();
        self.metrics
            .requests
            .with_label_values(&[route, method_label(method), status])
            .observe(took.as_secs_f64());
        tracing::debug!(
            route,
            method = method_label(method),
            status,
            took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "answered"
        );
    }
}

/// The document of a problem, with what else the answer said (a route's headers).
fn written(problem: &Arc<Problem>, told: Response, id: &str, path: &str) -> Response {
    let mut response = problem.write(id, path);
    let (parts, _) = told.into_parts();
    for (name, value) in &parts.headers {
        if !response.headers().contains_key(name) && name != header::CONTENT_LENGTH {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

fn told(problem: Problem) -> Response {
    axum::response::IntoResponse::into_response(problem)
}

/// Methods are a closed set: a client may invent others.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
