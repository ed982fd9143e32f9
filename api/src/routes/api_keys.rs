//! Keys for programs: made, listed, revoked.

mod create;
mod list;
mod revoke;

use common::db::api_keys::ApiKey;
use http::Method;
use serde_json::{Value, json};

use super::{Access, Route, route};
use crate::scope::Scope;

pub(super) fn routes() -> Vec<Route> {
    let read = Access::Needs(Scope::AccountRead);
    let write = Access::Needs(Scope::AccountWrite);
    vec![
        route(Method::POST, "/v1/api-keys", write, create::answer),
        route(Method::GET, "/v1/api-keys", read, list::answer),
        route(Method::DELETE, "/v1/api-keys/{id}", write, revoke::answer),
    ]
}

/// A key as its owner sees it afterwards: never its text.
fn shown(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "scopes": key.scopes,
        "namespaces": key.namespaces,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    })
}
