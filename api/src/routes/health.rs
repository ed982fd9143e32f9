//! `GET /healthz` and `GET /readyz`, for load balancers that see only this listener.
//! The admin listener says more.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::json;

use super::{Access, Answer, Route, json, route};
use crate::app::App;
use crate::call::Call;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(Method::GET, "/healthz", Access::Open, alive),
        route(Method::GET, "/readyz", Access::Open, ready),
    ]
}

async fn alive(_app: Arc<App>, _call: Call) -> Answer {
    json(StatusCode::OK, &json!({"status": "alive"}))
}

/// Names what is missing and leaves out why: strangers read this.
async fn ready(app: Arc<App>, _call: Call) -> Answer {
    let report = app.readiness.report();
    let missing: Vec<&str> = report
        .lines()
        .filter_map(|line| line.split_once(':').map(|(what, _)| what))
        .collect();
    let (status, word) = if missing.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    json(status, &json!({"status": word, "missing": missing}))
}
