//! `GET /v1/namespaces/{ns}/secrets/{name}`: that it is there, not what it is.

use std::sync::Arc;

use common::db::secrets;
use common::names::EnvName;
use http::StatusCode;

use super::{Shown, namespaces};
use crate::app::App;
use crate::call::Call;
use crate::fault::Away as _;
use crate::problem::Problem;
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let name: EnvName = call.named("name", "secret")?;
    let namespace = namespaces::named(&app, &call).await?;
    let account = call.caller()?.account_id();
    let client = app.database.client().await.or_away()?;
    let found = secrets::find(&client, account, namespace.id, &name)
        .await
        .or_away()?
        .ok_or(Problem::NotFound("secret"))?;
    json(StatusCode::OK, &Shown::of(found))
}
