//! Executions: asked for, watched, cancelled, erased.

mod cancel;
mod create;
mod erase;
mod follow;
mod list;
mod logs;
mod result;
mod retry;
mod show;

use std::sync::Arc;
use std::time::Duration;

use common::accept::Standing;
use common::db::executions::Execution;
use common::ids::ExecutionId;
use http::Method;

use super::{Access, Route, route};
use crate::app::App;
use crate::call::Call;
use crate::execution::namespace_of;
use crate::fault::Refused as _;
use crate::problem::Problem;
use crate::scope::Scope;

pub(super) fn routes() -> Vec<Route> {
    let read = Access::Needs(Scope::ExecutionsRead);
    let invoke = Access::Needs(Scope::FunctionsInvoke);
    let new = "/v1/namespaces/{ns}/functions/{fn}/executions";
    let one = "/v1/executions/{id}";
    vec![
        route(Method::POST, new, invoke, create::answer),
        route(Method::GET, "/v1/executions", read, list::answer),
        route(Method::GET, one, read, show::answer),
        route(Method::DELETE, one, invoke, erase::answer),
        route(
            Method::GET,
            "/v1/executions/{id}/result",
            read,
            result::answer,
        ),
        route(Method::GET, "/v1/executions/{id}/logs", read, logs::answer),
        route(
            Method::POST,
            "/v1/executions/{id}/cancel",
            invoke,
            cancel::answer,
        ),
        route(
            Method::POST,
            "/v1/executions/{id}/retry",
            invoke,
            retry::answer,
        ),
    ]
}

const NO_SUCH: Problem = Problem::NotFound("execution");

/// How the execution the path names stands, if the caller may see it.
async fn named(
    app: &Arc<App>,
    call: &Call,
    wait: Option<Duration>,
) -> Result<(ExecutionId, Standing), Problem> {
    let id: ExecutionId = call.named("id", "execution")?;
    let caller = call.caller()?;
    let account = caller.account_id();
    if caller.namespaces().is_some() && wait.is_some() {
        // Whose it is comes before waiting for it.
        let now = app.accept.standing(account, id, None).await.or_refused()?;
        now.filter(|standing| caller.may_use(namespace_of(standing)))
            .ok_or(NO_SUCH)?;
    }
    let standing = app.accept.standing(account, id, wait).await.or_refused()?;
    standing
        .filter(|standing| caller.may_use(namespace_of(standing)))
        .map(|standing| (id, standing))
        .ok_or(NO_SUCH)
}

/// The row of an execution that is known to be, or soon will be, in PostgreSQL:
/// outcomes and starts are recorded a tenth of a second after they happen.
async fn recorded_soon(
    app: &Arc<App>,
    call: &Call,
    (id, ended): (ExecutionId, bool),
) -> Result<Box<Execution>, Problem> {
    let account = call.caller()?.account_id();
    for _ in 0..60 {
        let row = app.accept.recorded(account, id).await.or_refused()?;
        match row {
            Some(row) if row.state.is_final() || !ended => return Ok(row),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    Err(Problem::RecordUnavailable("this is not recorded yet"))
}
