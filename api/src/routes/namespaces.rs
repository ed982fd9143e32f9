//! Where functions live.

mod create;
mod delete;
mod describe;
mod list;
mod show;

use std::sync::Arc;

use common::db::namespaces::{self, Namespace};
use common::ids::AccountId;
use common::limits;
use common::vault::Purpose;
use http::Method;
use serde_json::{Value, json};

use super::{Access, Route, route};
use crate::app::App;
use crate::call::Call;
use crate::fault::{Away as _, Sealed as _};
use crate::fields::Fields;
use crate::problem::Problem;
use crate::scope::Scope;

pub(super) fn routes() -> Vec<Route> {
    let read = Access::Needs(Scope::FunctionsRead);
    let write = Access::Needs(Scope::FunctionsWrite);
    let one = "/v1/namespaces/{ns}";
    vec![
        route(Method::POST, "/v1/namespaces", write, create::answer),
        route(Method::GET, "/v1/namespaces", read, list::answer),
        route(Method::GET, one, read, show::answer),
        route(Method::PATCH, one, write, describe::answer),
        route(Method::DELETE, one, write, delete::answer),
    ]
}

/// The namespace the path names, if the caller may use it.
pub(super) async fn named(app: &Arc<App>, call: &Call) -> Result<Namespace, Problem> {
    let caller = call.caller()?;
    let client = app.database.client().await.or_away()?;
    namespaces::find(&client, caller.account_id(), call.part("ns"))
        .await
        .or_away()?
        .filter(|found| caller.may_use(found.id))
        .ok_or(Problem::NotFound("namespace"))
}

fn take_description(fields: &mut Fields) -> Option<String> {
    fields.text("description", limits::DESCRIPTION_BYTES)
}

async fn shown(app: &Arc<App>, account: AccountId, found: Namespace) -> Result<Value, Problem> {
    let description = match &found.description {
        None => None,
        Some(sealed) => {
            let opened = app
                .vault
                .open(account, Purpose::Description, found.id.uuid(), sealed)
                .await
                .or_sealed()?;
            Some(String::from_utf8_lossy(&opened).into_owned())
        }
    };
    Ok(json!({
        "id": found.id,
        "name": found.name,
        "description": description,
        "created_at": found.created_at,
    }))
}
