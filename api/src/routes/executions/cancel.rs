//! `POST /v1/executions/{id}/cancel`: queued at once, running within a second.

use std::sync::Arc;

use common::accept::Cancelling;
use common::ids::ExecutionId;
use http::StatusCode;

use super::{NO_SUCH, named};
use crate::app::App;
use crate::call::Call;
use crate::execution::{facts, text};
use crate::fault::Refused as _;
use crate::problem::Problem;
use crate::routes::{Answer, json_text};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let caller = call.caller()?;
    let account = caller.account_id();
    let id: ExecutionId = call.named("id", "execution")?;
    if caller.namespaces().is_some() {
        named(&app, &call, None).await?;
    }
    match app.accept.cancel(account, id).await.or_refused()? {
        Cancelling::Unknown => Err(NO_SUCH),
        Cancelling::Late(state) => Err(Problem::AlreadyFinished(state)),
        Cancelling::Ended(standing) | Cancelling::UnderWay(standing) => {
            let status = if standing.state().is_final() {
                StatusCode::OK
            } else {
                StatusCode::ACCEPTED
            };
            let facts = facts(&app, account, id, standing).await?;
            Ok(json_text(status, text(&app, account, &facts, None).await?))
        }
    }
}
