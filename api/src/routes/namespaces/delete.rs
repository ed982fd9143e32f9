//! `DELETE /v1/namespaces/{ns}`: with its functions; what is queued still runs.

use std::sync::Arc;

use common::db::namespaces;

use super::named;
use crate::app::App;
use crate::call::Call;
use crate::fault::Away as _;
use crate::problem::Problem;
use crate::routes::{Answer, nothing};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let found = named(&app, &call).await?;
    let account = call.caller()?.account_id();
    let mut client = app.database.client().await.or_away()?;
    let deleted = namespaces::delete(&mut client, account, found.id, app.now()).await;
    app.targets.forget_namespace(found.id);
    if deleted.or_away()? {
        Ok(nothing())
    } else {
        Err(Problem::NotFound("namespace"))
    }
}
