//! `DELETE /v1/namespaces/{ns}/secrets/{name}`: what begins after it has it no more.

use std::sync::Arc;

use common::db::secrets;
use common::names::EnvName;

use super::namespaces;
use crate::app::App;
use crate::call::Call;
use crate::fault::Away as _;
use crate::problem::Problem;
use crate::routes::{Answer, nothing};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let name: EnvName = call.named("name", "secret")?;
    let namespace = namespaces::named(&app, &call).await?;
    let account = call.caller()?.account_id();
    let client = app.database.client().await.or_away()?;
    let deleted = secrets::delete(&client, account, namespace.id, &name).await;
    app.secrets.forget(namespace.id);
    if deleted.or_away()? {
        Ok(nothing())
    } else {
        Err(Problem::NotFound("secret"))
    }
}
