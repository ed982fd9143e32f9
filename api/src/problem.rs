//! Every error a client can see: RFC 9457 `application/problem+json`.
//!
//! This is the complete list. A handler returns a [`Problem`]; the front (see
//! `front`) adds the request's id and path and writes the document. MCP maps from
//! the same list. What is our own fault says nothing but the request id: the
//! cause is logged once, here.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use common::execution::State;
use common::ids::ExecutionId;
use common::telemetry;
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::scope::Scope;

/// One field that was not usable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FieldError {
    /// JSON Pointer (RFC 6901) into the body, or `?name` for a query parameter,
    /// or a header's name.
    pub(crate) pointer: String,
    pub(crate) detail: String,
}

impl FieldError {
    pub(crate) fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}

/// What a client may be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("the body is not JSON: {0}")]
    InvalidJson(String),
    #[error("this cannot be read as a request: {0}")]
    BadRequest(&'static str),
    #[error("{0}")]
    Unauthenticated(&'static str),
    #[error("the executions of this period are used up")]
    QuotaExceeded { resets_at: Timestamp },
    #[error("this needs the scope {0}, which the key does not have")]
    InsufficientScope(Scope),
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("the account is suspended")]
    AccountSuspended,
    #[error("the email address must be verified first: {0}")]
    EmailNotVerified(&'static str),
    #[error("the plan allows {limit} {what}")]
    PlanLimit { what: &'static str, limit: u64 },
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("this path knows only {0}")]
    MethodNotAllowed(Cow<'static, str>),
    #[error("the request took too long to arrive")]
    RequestTimeout,
    #[error("this idempotency key was used for another request")]
    IdempotencyConflict,
    #[error("the name is taken")]
    NameTaken,
    #[error("the execution has not finished")]
    NotFinished(State),
    #[error("the execution ended {0} and has no result")]
    NoResult(State, Option<Value>),
    #[error("the execution had already ended {0}")]
    AlreadyFinished(State),
    #[error("the version is broken: {0}")]
    VersionBroken(String),
    #[error("the function is at version {0}")]
    VersionMismatch(u32),
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body must be application/json in UTF-8, not compressed")]
    UnsupportedMediaType,
    #[error("the answer is application/json, which Accept excludes")]
    NotAcceptable,
    #[error("the request has fields that cannot be used")]
    Invalid(Vec<FieldError>),
    /// Each of them at its name.
    #[error("the function needs environment values that nobody gave: {}", names(.0))]
    MissingEnv(Vec<FieldError>),
    #[error("the request asks for what this release cannot do yet")]
    NotAvailableYet(Vec<FieldError>),
    #[error("all of the account's executions at once are in use")]
    ConcurrencyExceeded,
    #[error("the account follows as many logs as its plan allows")]
    FollowersExceeded,
    #[error("this server follows as many logs as it can")]
    FollowersFull,
    #[error("too many attempts; wait")]
    RateLimited { retry_after: u64 },
    #[error("too many executions wait")]
    BacklogFull,
    #[error("the record of outcomes is behind")]
    RecordBehind,
    #[error("the queue is recovering")]
    QueueRecovering,
    #[error("the queue lost this execution before it was recorded; try again with the same key")]
    QueueReset,
    #[error("{0}")]
    RecordUnavailable(&'static str),
    /// It may run; nobody can say yet.
    #[error("{0} may run, and is not on record yet; try again with the same key")]
    Unconfirmed(ExecutionId),
    #[error("the version is still being built")]
    VersionBuilding,
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Problem {
    /// The one field that is wrong.
    pub(crate) fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, detail)])
    }

    /// Status, code and title: one line for each problem.
    #[expect(clippy::too_many_lines, reason = "a list, one line each")]
    fn facts(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::InvalidJson(_) => (S::BAD_REQUEST, "invalid_json", "Not JSON"),
            Self::BadRequest(_) => (S::BAD_REQUEST, "bad_request", "Bad request"),
            Self::Unauthenticated(_) => (S::UNAUTHORIZED, "unauthenticated", "Unauthenticated"),
            Self::QuotaExceeded { .. } => (S::PAYMENT_REQUIRED, "quota_exceeded", "Quota exceeded"),
            Self::InsufficientScope(_) => (S::FORBIDDEN, "insufficient_scope", "Too little scope"),
            Self::Forbidden(_) => (S::FORBIDDEN, "forbidden", "Forbidden"),
            Self::AccountSuspended => (S::FORBIDDEN, "account_suspended", "Account suspended"),
            Self::EmailNotVerified(_) => (S::FORBIDDEN, "email_not_verified", "Email not verified"),
            Self::PlanLimit { .. } => (S::FORBIDDEN, "plan_limit", "Beyond the plan"),
            Self::NotFound(_) => (S::NOT_FOUND, "not_found", "Not found"),
            Self::MethodNotAllowed(_) => (
                S::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Method not allowed",
            ),
            Self::RequestTimeout => (S::REQUEST_TIMEOUT, "request_timeout", "Request too slow"),
            Self::IdempotencyConflict => (
                S::CONFLICT,
                "idempotency_conflict",
                "Idempotency key in use",
            ),
            Self::NameTaken => (S::CONFLICT, "name_taken", "Name taken"),
            Self::NotFinished(_) => (S::CONFLICT, "not_finished", "Not finished"),
            Self::NoResult(..) => (S::CONFLICT, "no_result", "No result"),
            Self::AlreadyFinished(_) => (S::CONFLICT, "already_finished", "Already finished"),
            Self::VersionBroken(_) => (S::CONFLICT, "version_broken", "Version broken"),
            Self::VersionMismatch(_) => (
                S::PRECONDITION_FAILED,
                "version_mismatch",
                "Another version is current",
            ),
            Self::TooLarge(_) => (S::PAYLOAD_TOO_LARGE, "too_large", "Too large"),
            Self::UnsupportedMediaType => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Unsupported media type",
            ),
            Self::NotAcceptable => (S::NOT_ACCEPTABLE, "not_acceptable", "Not acceptable"),
            Self::Invalid(_) => (S::UNPROCESSABLE_ENTITY, "invalid", "Not usable"),
            Self::MissingEnv(_) => (
                S::UNPROCESSABLE_ENTITY,
                "missing_env",
                "Environment values missing",
            ),
            Self::NotAvailableYet(_) => (
                S::UNPROCESSABLE_ENTITY,
                "not_available_yet",
                "Not available yet",
            ),
            Self::ConcurrencyExceeded => (
                S::TOO_MANY_REQUESTS,
                "concurrency_exceeded",
                "Too many at once",
            ),
            Self::FollowersExceeded => (
                S::TOO_MANY_REQUESTS,
                "followers_exceeded",
                "Too many followers",
            ),
            Self::FollowersFull => (
                S::SERVICE_UNAVAILABLE,
                "followers_full",
                "Too many followers",
            ),
            Self::RateLimited { .. } => (S::TOO_MANY_REQUESTS, "rate_limited", "Too many requests"),
            Self::BacklogFull => (S::SERVICE_UNAVAILABLE, "backlog_full", "Backlog full"),
            Self::RecordBehind => (S::SERVICE_UNAVAILABLE, "record_behind", "Record behind"),
            Self::QueueRecovering => (
                S::SERVICE_UNAVAILABLE,
                "queue_recovering",
                "Queue recovering",
            ),
            Self::QueueReset => (S::SERVICE_UNAVAILABLE, "queue_reset", "Queue reset"),
            Self::RecordUnavailable(_) | Self::Unconfirmed(_) => (
                S::SERVICE_UNAVAILABLE,
                "record_unavailable",
                "Record unavailable",
            ),
            Self::VersionBuilding => (
                S::SERVICE_UNAVAILABLE,
                "version_building",
                "Version still building",
            ),
            Self::Internal(_) => (S::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        }
    }

    /// The word clients and MCP compare with.
    #[must_use]
    pub(crate) fn code(&self) -> &'static str {
        self.facts().1
    }

    #[must_use]
    pub(crate) fn status(&self) -> StatusCode {
        self.facts().0
    }

    /// The fields at fault, for a 422.
    #[must_use]
    pub(crate) fn errors(&self) -> &[FieldError] {
        match self {
            Self::Invalid(errors) | Self::NotAvailableYet(errors) | Self::MissingEnv(errors) => {
                errors
            }
            _ => &[],
        }
    }

    /// Seconds after which asking again makes sense: 429 and 503 always say.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            Self::BacklogFull | Self::RecordBehind | Self::RecordUnavailable(_) => Some(5),
            problem => match problem.status() {
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some(1),
                _ => None,
            },
        }
    }

    /// Members that only some problems have.
    fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        match self {
            Self::QuotaExceeded { resets_at } => {
                members.insert("resets_at".to_owned(), resets_at.to_string().into());
            }
            Self::InsufficientScope(scope) => {
                members.insert("scope".to_owned(), scope.as_str().into());
            }
            Self::NotFinished(state) | Self::AlreadyFinished(state) => {
                members.insert("execution_status".to_owned(), state.as_str().into());
            }
            Self::NoResult(state, error) => {
                members.insert("execution_status".to_owned(), state.as_str().into());
                if let Some(error) = error {
                    members.insert("error".to_owned(), error.clone());
                }
            }
            Self::Unconfirmed(id) => {
                members.insert("execution_id".to_owned(), id.to_string().into());
            }
            Self::VersionMismatch(current) => {
                members.insert("current_version".to_owned(), (*current).into());
            }
            _ => {}
        }
        members
    }

    fn header(&self) -> Option<(header::HeaderName, HeaderValue)> {
        match self {
            Self::Unauthenticated(_) => Some((
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"patchbay\""),
            )),
            Self::InsufficientScope(scope) => HeaderValue::from_str(&format!(
                "Bearer realm=\"patchbay\", error=\"insufficient_scope\", scope=\"{scope}\""
            ))
            .ok()
            .map(|value| (header::WWW_AUTHENTICATE, value)),
            Self::MethodNotAllowed(allowed) => HeaderValue::from_str(allowed)
                .ok()
                .map(|value| (header::ALLOW, value)),
            problem => problem
                .retry_after()
                .map(|seconds| (header::RETRY_AFTER, HeaderValue::from(seconds))),
        }
    }

    /// The document, and the log line where the fault is ours.
    pub(crate) fn write(&self, request_id: &str, path: &str) -> Response {
        let (status, code, title) = self.facts();
        if let Self::Internal(cause) = self {
            let error = telemetry::chain(cause.as_ref());
            tracing::error!(request.id = request_id, path, error, "a request failed");
        }
        let document = Document {
            r#type: format!("urn:patchbay:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: self.to_string(),
            instance: path,
            code,
            request_id,
            errors: self.errors(),
            members: self.members(),
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(axum::body::Body::from(body));
        *response.status_mut() = status;
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some((name, value)) = self.header() {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// The last parts of their pointers.
fn names(errors: &[FieldError]) -> String {
    let names = errors
        .iter()
        .filter_map(|error| error.pointer.rsplit('/').next());
    names.collect::<Vec<_>>().join(", ")
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    instance: &'a str,
    code: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    members: Map<String, Value>,
}

/// Carries the problem to the front, which knows the request's id.
#[derive(Clone, Debug)]
pub(crate) struct Told(pub(crate) std::sync::Arc<Problem>);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response
            .extensions_mut()
            .insert(Told(std::sync::Arc::new(self)));
        response
    }
}
