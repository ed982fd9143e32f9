//! Versions of a function: they never change; an old one is copied forward.

mod list;
mod restore;
mod show;

use std::sync::Arc;

use common::db::functions::Function;
use common::db::namespaces::Namespace;
use common::db::versions::{self, Version};
use http::Method;

use super::{Access, Route, functions, route};
use crate::app::App;
use crate::call::Call;
use crate::fault::Away as _;
use crate::problem::Problem;
use crate::scope::Scope;

pub(super) fn routes() -> Vec<Route> {
    let read = Access::Needs(Scope::FunctionsRead);
    let write = Access::Needs(Scope::FunctionsWrite);
    let all = "/v1/namespaces/{ns}/functions/{fn}/versions";
    let one = "/v1/namespaces/{ns}/functions/{fn}/versions/{n}";
    let restore = "/v1/namespaces/{ns}/functions/{fn}/versions/{n}/restore";
    vec![
        route(Method::GET, all, read, list::answer),
        route(Method::GET, one, read, show::answer),
        route(Method::POST, restore, write, restore::answer),
    ]
}

/// The version the path names.
async fn named(app: &Arc<App>, call: &Call) -> Result<(Namespace, Function, Version), Problem> {
    let number: u32 = call.named("n", "version")?;
    let (namespace, function) = functions::named(app, call).await?;
    let account = call.caller()?.account_id();
    let client = app.database.client().await.or_away()?;
    let version = versions::by_number(&client, account, function.id, number)
        .await
        .or_away()?
        .ok_or(Problem::NotFound("version"))?;
    Ok((namespace, function, version))
}
