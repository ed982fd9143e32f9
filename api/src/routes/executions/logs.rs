//! `GET /v1/executions/{id}/logs`: what the code printed, once it has ended; with
//! `?follow=true` while it runs.

use std::sync::Arc;

use http::StatusCode;

use super::{follow, named};
use crate::app::App;
use crate::call::Call;
use crate::execution::{facts, logs};
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    if call.query()?.flag("follow")? {
        return follow::answer(app, call).await;
    }
    let (id, standing) = named(&app, &call, None).await?;
    let account = call.caller()?.account_id();
    let facts = facts(&app, account, id, standing).await?;
    json(StatusCode::OK, &logs(&app, account, &facts).await?)
}
