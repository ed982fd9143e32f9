//! `tools/call`: from the tool's name to the answer its execution gives.
//!
//! The input is checked before anything is queued. One that doesn't fit is read once
//! more with its texts taken for what they say ([`super::coerce`]); if it still
//! doesn't, the tool error names each field.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use common::accept::schema::Mismatch;
use common::accept::{Answered, Ask, OwnEnv, Target};
use common::execution::Trigger;
use common::ids::ExecutionId;
use common::json::{self, Fault};
use common::names::FunctionName;
use common::{limits, telemetry};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, Refused};
use super::coerce::coerce;
use super::envelope;
use super::schema;
use super::tool::{Contract, Era};
use crate::app::App;
use crate::caller::Caller;
use crate::environment::Given;
use crate::execution::{Facts, facts, failure, output};
use crate::problem::Problem;
use crate::targets;

/// Where an input stands that is no object: see [`schema::INPUT`].
const INPUT_POINTER: &str = "/input";

/// A call of a tool that may be there or not.
pub(super) struct Calling {
    tool: String,
    arguments: String,
    env: Given,
    found: Found,
}

enum Found {
    Tool(Arc<Target>, Arc<Contract>),
    /// The namespace is there, the tool is not.
    Nothing,
    /// It is there and can't be called now: the model is told why.
    Refused(Problem),
}

impl Calling {
    /// Looks the tool up.
    ///
    /// # Errors
    /// Where the caller has no such namespace.
    pub(super) async fn of(
        app: &Arc<App>,
        caller: &Caller,
        namespace: &str,
        (call, env): (&envelope::Call<'_>, Given),
    ) -> Result<Self, Problem> {
        let found = match FunctionName::from_tool_name(&call.tool) {
            Ok(name) => find(app, caller, namespace, &name).await?,
            Err(_) => {
                super::namespace(app, caller, namespace).await?;
                Found::Nothing
            }
        };
        Ok(Self {
            tool: call.tool.clone().into_owned(),
            arguments: call.arguments.clone().into_owned(),
            env,
            found,
        })
    }

    /// The name as it was called.
    pub(super) fn tool(&self) -> &str {
        &self.tool
    }

    pub(super) fn schema_with_headers(&self) -> Option<&Map<String, Value>> {
        match &self.found {
            Found::Tool(_, contract) => contract.with_headers(),
            Found::Nothing | Found::Refused(_) => None,
        }
    }

    /// The arguments that headers may repeat.
    pub(super) fn compared(&self) -> Option<Value> {
        let schema = self.schema_with_headers()?;
        let arguments = json::read(self.arguments.as_bytes()).ok()?;
        schema::compared(schema, &arguments)
    }

    /// Runs it; `None` where there is no such tool.
    ///
    /// # Errors
    /// What no model can mend.
    pub(super) async fn run(
        &self,
        app: &Arc<App>,
        caller: &Caller,
        (era, gone): (Era, CancellationToken),
    ) -> Result<Option<Answer>, Problem> {
        let (target, contract) = match &self.found {
            Found::Nothing => return Ok(None),
            Found::Refused(problem) => return Ok(Some(told(problem))),
            Found::Tool(target, contract) => (target, contract),
        };
        let input = match input(target, contract, &self.arguments) {
            Ok(input) => input,
            Err(refused) => return Ok(Some(Answer::refused(&refused))),
        };
        let env = self.env.for_call(app, caller.account_id(), target).await;
        let env = match env {
            Ok(env) => env,
            Err(problem) => return unmendable(problem).map(Some),
        };
        let ask = Ask {
            payer: caller.payer(),
            target,
            asked_version: None,
            input: input.as_bytes(),
            env: env.as_deref().map(OwnEnv),
            key: None,
            trigger: Trigger::Mcp,
        };
        let id = ExecutionId::new(app.clock.as_ref());
        let wait = Duration::from_millis(target.timeout_ms.into()) + limits::WAIT;
        let answered = tokio::select! {
            biased;
            answered = app.accept.interactive_as(id, &ask, wait) => answered,
            () = gone.cancelled() => {
                take_along(app, caller, id);
                return Ok(None);
            }
        };
        let facts = match answered {
            Err(refusal) => return unmendable(refusal.into()).map(Some),
            Ok(Answered::Pending(id)) => Facts::fresh(id, target, Trigger::Mcp),
            Ok(Answered::Finished(id, outcome)) => {
                Facts::fresh(id, target, Trigger::Mcp).ended(Arc::unwrap_or_clone(outcome))
            }
            Ok(Answered::Joined(id, standing)) => {
                facts(app, caller.account_id(), id, standing).await?
            }
        };
        ended(app, caller, contract, (&facts, era)).await.map(Some)
    }
}

/// Nobody waits any more: the execution is cancelled, beside the requests.
fn take_along(app: &Arc<App>, caller: &Caller, id: ExecutionId) {
    let account = caller.account_id();
    let accept = app.accept.clone();
    app.tasks.spawn(async move {
        if let Err(refusal) = accept.cancel(account, id).await {
            let error = telemetry::chain(&refusal);
            tracing::info!(execution.id = %id, error, "not cancelled after its caller left");
        }
    });
}

/// What an execution's end is to the model.
async fn ended(
    app: &Arc<App>,
    caller: &Caller,
    contract: &Contract,
    (facts, era): (&Facts, Era),
) -> Result<Answer, Problem> {
    let account = caller.account_id();
    if let Some(output) = output(app, account, facts).await? {
        let output = String::from_utf8(output).map_err(|error| Problem::Internal(error.into()))?;
        return Ok(match contract.check(&output) {
            Ok(()) => Answer::succeeded(&output, contract.shape(era), facts.id),
            Err(mismatches) => unpromised(&output, mismatches, facts.id),
        });
    }
    match failure(app, account, facts).await? {
        Some(failure) => Ok(Answer::failed(&failure, facts.id)),
        None => Ok(Answer::refused(&Refused {
            code: "still_running",
            detail: "it has not ended yet and goes on; its result is kept under its id".to_owned(),
            fields: Vec::new(),
            execution: Some(facts.id),
        })),
    }
}

/// An output that is not what the version promised: clients refuse it.
fn unpromised(output: &str, mismatches: Vec<Mismatch>, id: ExecutionId) -> Answer {
    let mut answer = Answer::refused(&Refused {
        code: "result_not_as_promised",
        detail: "it succeeded with a result that does not fit the output schema".to_owned(),
        fields: fields(mismatches),
        execution: Some(id),
    });
    answer.text.push_str("\nresult: ");
    answer.text.push_str(output);
    answer
}

/// Our own fault is told over HTTP; any other refusal is for the model to read.
fn unmendable(problem: Problem) -> Result<Answer, Problem> {
    match problem {
        ours @ Problem::Internal(_) => Err(ours),
        other => Ok(told(&other)),
    }
}

async fn find(
    app: &Arc<App>,
    caller: &Caller,
    namespace: &str,
    name: &FunctionName,
) -> Result<Found, Problem> {
    let names = (namespace, name.as_str());
    match targets::resolve(app, caller, names, None).await {
        Ok(target) => {
            let contract = contract(app, &target);
            Ok(Found::Tool(target, contract))
        }
        Err(Problem::NotFound(_)) => {
            super::namespace(app, caller, namespace).await?;
            Ok(Found::Nothing)
        }
        Err(ours @ Problem::Internal(_)) => Err(ours),
        Err(problem) => Ok(Found::Refused(problem)),
    }
}

/// What the version promises, read once for each version.
fn contract(app: &Arc<App>, target: &Target) -> Arc<Contract> {
    let contracts = &app.mcp.contracts;
    if let Some(known) = contracts.get(&target.version) {
        return known;
    }
    let epoch = contracts.epoch();
    let contract = Arc::new(Contract::new(
        target.input_schema.as_deref(),
        target.output_schema.as_deref(),
    ));
    contracts.put(epoch, target.version, Arc::clone(&contract));
    contract
}

/// The input that is passed on, checked.
fn input<'a>(
    target: &Target,
    contract: &Contract,
    arguments: &'a str,
) -> Result<Cow<'a, str>, Refused<'static>> {
    let given = contract.input_of(arguments);
    let mut refused = match check(target, &given) {
        Ok(()) => return Ok(given),
        Err(refused) => refused,
    };
    if let Some(read) = coerce(&given, contract.input()) {
        match check(target, &read) {
            Ok(()) => return Ok(Cow::Owned(read)),
            Err(still) => refused = still,
        }
    }
    if given.len() != arguments.len() {
        // As the model wrote it: under a name.
        for (pointer, _) in &mut refused.fields {
            pointer.insert_str(0, INPUT_POINTER);
        }
    }
    Err(refused)
}

fn check(target: &Target, input: &str) -> Result<(), Refused<'static>> {
    if input.len() > limits::INPUT_BYTES {
        let detail = format!(
            "the arguments are larger than {} bytes",
            limits::INPUT_BYTES
        );
        return Err(unfit("too_large", detail, Vec::new()));
    }
    let fields = match json::read(input.as_bytes()) {
        Ok(value) => match target.check(&value, input.len()) {
            Ok(()) => return Ok(()),
            Err(mismatches) => fields(mismatches),
        },
        Err(Fault::Value { pointer, what }) => vec![(pointer, what.to_owned())],
        Err(syntax @ Fault::Syntax { .. }) => vec![(String::new(), syntax.to_string())],
    };
    let detail = "the arguments do not fit the tool's input schema".to_owned();
    Err(unfit("invalid", detail, fields))
}

fn fields(mismatches: Vec<Mismatch>) -> Vec<(String, String)> {
    mismatches
        .into_iter()
        .map(|Mismatch { pointer, detail }| (pointer, detail))
        .collect()
}

fn unfit(code: &'static str, detail: String, fields: Vec<(String, String)>) -> Refused<'static> {
    Refused {
        code,
        detail,
        fields,
        execution: None,
    }
}

/// A problem that the model may read.
fn told(problem: &Problem) -> Answer {
    Answer::refused(&Refused {
        code: problem.code(),
        detail: problem.to_string(),
        fields: Vec::new(),
        execution: None,
    })
}
