//! `GET /v1/executions/{id}/result` (`?wait=N`): the output alone.

use std::sync::Arc;

use common::execution::State;
use http::StatusCode;

use super::named;
use crate::app::App;
use crate::call::Call;
use crate::execution::{error, facts, output};
use crate::problem::Problem;
use crate::routes::{Answer, json_text};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let wait = call.query()?.wait()?;
    let (id, standing) = named(&app, &call, wait).await?;
    let account = call.caller()?.account_id();
    let facts = facts(&app, account, id, standing).await?;
    match facts.state {
        State::Queued | State::Running => Err(Problem::NotFinished(facts.state)),
        State::Succeeded => output(&app, account, &facts)
            .await?
            .map(|text| json_text(StatusCode::OK, text))
            .ok_or(Problem::NotFound("result: it was erased")),
        State::Failed | State::Cancelled | State::TimedOut => {
            let error = error(&app, account, &facts).await?;
            Err(Problem::NoResult(facts.state, error))
        }
    }
}
