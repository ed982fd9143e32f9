//! `POST /v1/executions/{id}/retry`: a new execution of the same version and input.

use std::sync::Arc;

use common::execution::Trigger;

use super::create::{Wanted, idempotency_key, run};
use super::{named, recorded_soon};
use crate::app::App;
use crate::call::Call;
use crate::environment::Given;
use crate::execution::input;
use crate::prefer::Prefer;
use crate::problem::Problem;
use crate::routes::Answer;
use crate::targets;

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let prefer = Prefer::of(call.headers())?;
    let key = idempotency_key(call.headers())?;
    // Those of the first time were erased when it ended.
    let env = Given::of(call.headers())?;
    let (id, standing) = named(&app, &call, None).await?;
    if !standing.state().is_final() {
        return Err(Problem::NotFinished(standing.state()));
    }
    let row = recorded_soon(&app, &call, (id, true)).await?;
    let caller = call.caller()?;
    let gone = Problem::NotFound("function or version any more");
    let (Some(namespace), Some(function)) = (&row.namespace_name, &row.function_name) else {
        return Err(gone);
    };
    let number = row.version_number;
    let target = targets::resolve(&app, caller, (namespace, function), number).await?;
    if target.version != row.version {
        // The name is another function's by now.
        return Err(gone);
    }
    let input = input(&app, caller.account_id(), id)
        .await?
        .ok_or(Problem::NotFound("input: it was erased"))?;
    let wanted = Wanted {
        prefer,
        key,
        number,
        trigger: Trigger::Retry,
        env,
    };
    run(&app, caller, (&target, &input), wanted).await
}
