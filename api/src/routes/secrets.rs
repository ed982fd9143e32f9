//! A namespace's secrets: values that its functions find in `os.environ`, and that no
//! answer ever holds.

mod delete;
mod list;
mod set;
mod show;

use common::db::secrets::Secret;
use http::Method;
use jiff::Timestamp;
use serde::Serialize;

use super::{Access, Route, namespaces, route};
use crate::scope::Scope;

pub(super) fn routes() -> Vec<Route> {
    let read = Access::Needs(Scope::FunctionsRead);
    let write = Access::Needs(Scope::FunctionsWrite);
    let one = "/v1/namespaces/{ns}/secrets/{name}";
    vec![
        route(
            Method::GET,
            "/v1/namespaces/{ns}/secrets",
            read,
            list::answer,
        ),
        route(Method::PUT, one, write, set::answer),
        route(Method::GET, one, read, show::answer),
        route(Method::DELETE, one, write, delete::answer),
    ]
}

/// One as clients see it.
#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Whether it is covered in logs, errors and results; told when it is set, for only
    /// then is it known.
    #[serde(skip_serializing_if = "Option::is_none")]
    masked: Option<bool>,
}

impl Shown {
    fn of(secret: Secret) -> Self {
        Self {
            name: secret.name,
            created_at: secret.created_at,
            updated_at: secret.updated_at,
            masked: None,
        }
    }
}
