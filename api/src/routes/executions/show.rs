//! `GET /v1/executions/{id}` (`?wait=N`, `?include=input`)

use std::sync::Arc;

use http::StatusCode;

use super::{named, recorded_soon};
use crate::app::App;
use crate::call::Call;
use crate::execution::{facts, input, text};
use crate::query::wrong;
use crate::routes::{Answer, json_text};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let query = call.query()?;
    let wait = query.wait()?;
    let with_input = match query.text("include")? {
        None => false,
        Some("input") => true,
        Some(_) => return Err(wrong("include", "input is all there is to include")),
    };
    let (id, standing) = named(&app, &call, wait).await?;
    let account = call.caller()?.account_id();
    let input = if with_input {
        recorded_soon(&app, &call, (id, false)).await?;
        input(&app, account, id).await?
    } else {
        None
    };
    let facts = facts(&app, account, id, standing).await?;
    let body = text(&app, account, &facts, input.as_deref()).await?;
    Ok(json_text(StatusCode::OK, body))
}
