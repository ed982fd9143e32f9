//! Every route there is, in one list: method, path, who may, and what answers.
//!
//! The router, the `Allow` of a 405 and the test that knocks on every door without
//! the right key all read this list, so none can be forgotten.

mod account;
mod api_keys;
mod auth;
mod executions;
mod functions;
mod health;
mod namespaces;
mod secrets;
mod versions;

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use http::{HeaderValue, Method, Request, StatusCode, header};
use serde::Serialize;

use crate::app::App;
use crate::call::Call;
use crate::front::RouteLabel;
use crate::problem::Problem;
use crate::scope::Scope;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Open,
    Needs(Scope),
    /// Any of them is enough.
    NeedsOneOf(&'static [Scope]),
}

/// One entry of the list.
#[derive(Clone, Debug)]
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub access: Access,
    answers: MethodRouter<Arc<App>>,
}

/// What a route's function gives.
pub(crate) type Answer = Result<Response, Problem>;

/// Every route of the public listener.
#[must_use]
pub fn all() -> Vec<Route> {
    [
        health::routes(),
        auth::routes(),
        account::routes(),
        api_keys::routes(),
        namespaces::routes(),
        functions::routes(),
        versions::routes(),
        secrets::routes(),
        executions::routes(),
        crate::mcp::routes(),
    ]
    .concat()
}

/// The list as a router: what isn't on it is a 404, another method a 405.
pub(crate) fn router(app: Arc<App>) -> Router {
    let routes = all();
    let mut router = Router::new();
    let mut paths: Vec<&'static str> = routes.iter().map(|route| route.path).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        let mine = routes.iter().filter(|route| route.path == path);
        let allowed = allow(mine.clone().map(|route| &route.method));
        let methods = mine.fold(MethodRouter::new(), |all, route| {
            all.merge(route.answers.clone())
        });
        let refuse = move || {
            let allowed = allowed.clone();
            async move {
                let mut response = Problem::MethodNotAllowed(Cow::Owned(allowed)).into_response();
                response.extensions_mut().insert(RouteLabel(path));
                response
            }
        };
        router = router.route(path, methods.fallback(refuse));
    }
    router
        .fallback(|| async { Problem::NotFound("path") })
        .with_state(app)
}

/// `GET` answers `HEAD` too.
fn allow<'a>(methods: impl Iterator<Item = &'a Method>) -> String {
    let mut words: Vec<&str> = Vec::new();
    for method in methods {
        words.push(method.as_str());
        if method == Method::GET {
            words.push("HEAD");
        }
    }
    words.join(", ")
}

/// An entry whose function gets the call once its caller may make it.
pub(crate) fn route<F, A>(method: Method, path: &'static str, access: Access, answer: F) -> Route
where
    F: Fn(Arc<App>, Call) -> A + Copy + Send + Sync + 'static,
    A: Future<Output = Answer> + Send,
{
    let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::TRACE);
    let answers = on(
        filter,
        move |State(app): State<Arc<App>>, request: Request<Body>| async move {
            let answered = match Call::admit(&app, access, request).await {
                Ok(call) => answer(app, call).await,
                Err(problem) => Err(problem),
            };
            let mut response = answered.unwrap_or_else(Problem::into_response);
            response.extensions_mut().insert(RouteLabel(path));
            response
        },
    );
    Route {
        method,
        path,
        access,
        answers,
    }
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(body).map_err(|error| Problem::Internal(error.into()))?;
    Ok(json_text(status, text))
}

/// A JSON answer that is written already.
pub(crate) fn json_text(status: StatusCode, text: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// 204.
pub(crate) fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_route_stands_twice_and_only_named_ones_are_open() {
        let mut seen = std::collections::HashSet::new();
        for route in all() {
            assert!(
                seen.insert((route.method.clone(), route.path)),
                "{} {}",
                route.method,
                route.path
            );
            let open = ["/v1/auth/", "/.well-known/", "/healthz", "/readyz"]
                .iter()
                .any(|open| route.path.starts_with(open));
            assert_eq!(route.access == Access::Open, open, "{}", route.path);
        }
    }
}
