//! The admin listener of each service: alive, ready, metrics. Never public.
//!
//! - `GET /healthz`: 200 while the process answers.
//! - `GET /readyz`: 200, or 503 and what is missing, one line each.
//! - `GET /metrics`: Prometheus text.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// What a service still misses before it can serve. Cloned handles share it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Readiness {
    /// Notes that `what` is missing, and why.
    pub fn missing(&self, what: &'static str, why: impl Into<String>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(what, why.into());
    }

    /// Notes that `what` is there.
    pub fn there(&self, what: &'static str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(what);
    }

    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// One line for each missing thing; empty where the service is ready.
    #[must_use]
    pub fn report(&self) -> String {
        let missing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        missing
            .iter()
            .map(|(what, why)| format!("{what}: {why}\n"))
            .collect()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("the admin listener cannot use {address}")]
    Bind {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("the admin listener stopped")]
    Serve(#[source] std::io::Error),
}

#[derive(Clone, Debug)]
struct Shown {
    registry: Registry,
    readiness: Readiness,
}

/// A bound admin listener that has not begun to answer.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    router: Router,
}

impl Admin {
    /// # Errors
    /// Where the address is taken or not ours.
    pub async fn bind(
        address: SocketAddr,
        registry: Registry,
        readiness: Readiness,
    ) -> Result<Self, AdminError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| AdminError::Bind { address, source })?;
        let router = Router::new()
            .route("/healthz", get(async || "alive\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(show))
            .with_state(Shown {
                registry,
                readiness,
            });
        Ok(Self { listener, router })
    }

    /// The address in use, for a port that was asked for as 0.
    ///
    /// # Errors
    /// Where the socket can't tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `shutdown`.
    ///
    /// # Errors
    /// Where the listener breaks.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), AdminError> {
        axum::serve(self.listener, self.router)
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await
            .map_err(AdminError::Serve)
    }
}

async fn ready(State(shown): State<Shown>) -> Response {
    let report = shown.readiness.report();
    if report.is_empty() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, report).into_response()
    }
}

async fn show(State(shown): State<Shown>) -> Response {
    match metrics::render(&shown.registry) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(
                error = crate::telemetry::chain(&error),
                "metrics cannot be shown"
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
