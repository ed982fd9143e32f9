//! `DELETE /v1/namespaces/{ns}/functions/{fn}`: its name is free at once.

use std::sync::Arc;

use common::db::functions;

use super::named;
use crate::app::App;
use crate::call::Call;
use crate::fault::Away as _;
use crate::problem::Problem;
use crate::routes::{Answer, nothing};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let (_, function) = named(&app, &call).await?;
    let account = call.caller()?.account_id();
    let client = app.database.client().await.or_away()?;
    let deleted = functions::delete(&client, account, function.id, app.now()).await;
    app.targets.forget_function(function.id);
    if deleted.or_away()? {
        Ok(nothing())
    } else {
        Err(Problem::NotFound("function"))
    }
}
