//! `GET /v1/executions/{id}/logs`: what the code printed, once it has ended.

use std::sync::Arc;

use http::StatusCode;

use super::named;
use crate::app::App;
use crate::call::Call;
use crate::execution::{facts, logs};
use crate::problem::{FieldError, Problem};
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    if call.query()?.flag("follow")? {
        return Err(Problem::NotAvailableYet(vec![FieldError::new(
            "?follow",
            "this release does not do this yet",
        )]));
    }
    let (id, standing) = named(&app, &call, None).await?;
    let account = call.caller()?.account_id();
    let facts = facts(&app, account, id, standing).await?;
    json(StatusCode::OK, &logs(&app, account, &facts).await?)
}
