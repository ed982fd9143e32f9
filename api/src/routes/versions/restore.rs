//! `POST …/versions/{n}/restore`: copied forward as the newest.

use std::sync::Arc;

use common::names::FunctionName;
use common::vault::Purpose;
use http::StatusCode;

use super::named;
use crate::app::App;
use crate::call::Call;
use crate::problem::Problem;
use crate::publishing::{self, Draft, Place};
use crate::routes::functions::{etag, opened, shown, source};
use crate::routes::{Answer, json};

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let name: FunctionName = call.named("fn", "function")?;
    let (namespace, _, old) = named(&app, &call).await?;
    let caller = call.caller()?.clone();
    let account = caller.account_id();
    let source = source(&app, account, old.id).await?;
    let sealed = (Purpose::Description, old.id.uuid());
    let description = opened(&app, account, sealed, old.description).await?;
    let plan = app.plans.of(caller.account.plan);
    // A smaller limit is still a limit; a list without some of its hosts is another list.
    if old.network.len() > plan.hosts() {
        return Err(Problem::PlanLimit {
            what: "network hosts of a version",
            limit: plan.hosts() as u64,
        });
    }
    let draft = Draft {
        source,
        description,
        // What was inferred then is inferred again: it is not part of what was asked for.
        input_schema: old.input_schema.filter(|_| !old.schema_inferred),
        output_schema: old.output_schema,
        annotations: old.annotations,
        tags: old.tags,
        requirements: old.requirements,
        // The very packages of then, whatever the index has by now.
        lock: old.lock,
        timeout_ms: old.timeout_ms.min(plan.timeout_ms),
        memory_mib: old.memory_mib.min(plan.memory_mib),
        env: old.env,
        network: old.network,
        concurrency: old.concurrency.map(|most| most.min(plan.concurrency)),
    };
    let place = Place {
        namespace: namespace.id,
        name: &name,
        expected: None,
    };
    let done = publishing::publish(&app, &caller, place, &draft).await?;
    let number = done.version.number;
    let names = (namespace.name.as_str(), name.as_str());
    let body = shown(&app, account, names, done.version).await?;
    let mut response = json(StatusCode::OK, &body)?;
    let (header, value) = etag(number);
    response.headers_mut().insert(header, value);
    Ok(response)
}
