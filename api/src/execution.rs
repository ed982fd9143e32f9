//! An execution as clients see it.

use std::sync::Arc;

use common::accept::{Standing, Target};
use common::db::executions::Execution;
use common::db::versions;
use common::execution::{Ending, ErrorCode, Failure, Logs, SealedOutcome, State, Trigger};
use common::ids::{AccountId, ExecutionId, NamespaceId, VersionId};
use common::vault::Purpose;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::app::{App, as_kept};
use crate::fault::{Away as _, Sealed as _};
use crate::problem::Problem;

/// What is known of an execution besides how it ended.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) id: ExecutionId,
    pub(crate) namespace: Option<String>,
    pub(crate) function: Option<String>,
    pub(crate) version: Option<u32>,
    /// Known once it is recorded, or to the api that was asked.
    pub(crate) trigger: Option<Trigger>,
    pub(crate) state: State,
    pub(crate) attempt: u32,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) outcome: Option<SealedOutcome>,
    /// Its texts were there once, and somebody had them removed.
    pub(crate) erased: bool,
}

impl Facts {
    /// Of an execution that was just asked for.
    pub(crate) fn fresh(id: ExecutionId, target: &Target, trigger: Trigger) -> Self {
        Self {
            id,
            namespace: Some(target.namespace_name.clone()),
            function: Some(target.function_name.clone()),
            version: Some(target.number),
            trigger: Some(trigger),
            state: State::Queued,
            attempt: 0,
            started_at: None,
            outcome: None,
            erased: false,
        }
    }

    /// The same, ended.
    pub(crate) fn ended(mut self, outcome: SealedOutcome) -> Self {
        self.state = outcome.ending.state.into();
        self.attempt = outcome.ending.attempt;
        self.started_at = outcome.ending.started_at;
        self.outcome = Some(outcome);
        self
    }

    /// What PostgreSQL's row says, brought up to how it stands now.
    fn of_row(row: Execution, state: State, outcome: Option<SealedOutcome>) -> Self {
        let facts = Self {
            id: row.id,
            namespace: row.namespace_name,
            function: row.function_name,
            version: row.version_number,
            trigger: Some(row.trigger),
            state,
            attempt: row.attempt,
            started_at: row.started_at,
            outcome: None,
            erased: row.erased_at.is_some(),
        };
        match outcome {
            // What was erased is erased, also where Redis still holds it.
            Some(mut outcome) if facts.erased => {
                (outcome.output, outcome.error, outcome.logs) = (None, None, None);
                facts.ended(outcome)
            }
            Some(outcome) => facts.ended(outcome),
            None => facts,
        }
    }

    /// A row of a list.
    pub(crate) fn listed(row: Execution) -> Self {
        let (state, outcome) = (row.state, row.outcome.clone());
        Self::of_row(row, state, outcome)
    }
}

pub(crate) fn namespace_of(standing: &Standing) -> NamespaceId {
    match standing {
        Standing::Open { owner, .. } | Standing::Ended { owner, .. } => owner.namespace,
        Standing::Recorded(row) => row.namespace,
    }
}

/// All that is known of an execution that stands like this.
pub(crate) async fn facts(
    app: &Arc<App>,
    account: AccountId,
    id: ExecutionId,
    standing: Standing,
) -> Result<Facts, Problem> {
    let state = standing.state();
    let (version, outcome) = match standing {
        Standing::Recorded(row) => {
            let outcome = row.outcome.clone();
            return Ok(Facts::of_row(*row, state, outcome));
        }
        Standing::Open { owner, .. } => (owner.version, None),
        Standing::Ended { owner, outcome } => (owner.version, Some(Arc::unwrap_or_clone(outcome))),
    };
    match app.accept.recorded(account, id).await {
        Ok(Some(row)) => Ok(Facts::of_row(*row, state, outcome)),
        // Not recorded yet, or PostgreSQL is away: what Redis and memory know.
        unknown => {
            let names = match app.targets.names(version) {
                Some(names) => Some(names),
                None if unknown.is_ok() => names(app, account, version).await?,
                None => None,
            };
            Ok(Facts {
                id,
                namespace: names.as_ref().map(|names| names.namespace.clone()),
                function: names.as_ref().map(|names| names.function.clone()),
                version: names.as_ref().map(|names| names.number),
                trigger: app.accept.trigger_of(id),
                state,
                attempt: 0,
                started_at: None,
                outcome: None,
                erased: false,
            })
            .map(|facts| match outcome {
                Some(outcome) => facts.ended(outcome),
                None => facts,
            })
        }
    }
}

/// What a version's ids are called.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) namespace: String,
    pub(crate) function: String,
    pub(crate) number: u32,
}

async fn names(
    app: &Arc<App>,
    account: AccountId,
    version: VersionId,
) -> Result<Option<Arc<Names>>, Problem> {
    let client = app.database.client().await.or_away()?;
    let found = versions::runnable(&client, account, version)
        .await
        .or_away()?;
    Ok(found.map(|found| {
        Arc::new(Names {
            namespace: found.namespace,
            function: found.function,
            number: found.version.number,
        })
    }))
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    id: ExecutionId,
    namespace: Option<&'a str>,
    function: Option<&'a str>,
    version: Option<u32>,
    status: State,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
    timing: Timing,
    memory_peak_bytes: Option<u64>,
    network: Network,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<Trigger>,
}

#[derive(Debug, Serialize)]
struct Timing {
    queued_ms: Option<i64>,
    started_at: Option<Timestamp>,
    duration_ms: Option<f64>,
    cpu_ms: Option<f64>,
}

/// What came from the hosts its version names, and went to them; null while it is open.
#[derive(Debug, Serialize)]
struct Network {
    bytes_in: Option<u64>,
    bytes_out: Option<u64>,
}

/// The JSON text of an execution; `input` is JSON text that was opened already.
pub(crate) async fn text(
    app: &Arc<App>,
    account: AccountId,
    facts: &Facts,
    input: Option<&[u8]>,
) -> Result<Vec<u8>, Problem> {
    let output = output(app, account, facts).await?;
    let error = error(app, account, facts).await?;
    let ending = facts.outcome.as_ref().map(|outcome| &outcome.ending);
    let created_at = facts.id.at();
    let shown = Shown {
        id: facts.id,
        namespace: facts.namespace.as_deref(),
        function: facts.function.as_deref(),
        version: facts.version,
        status: facts.state,
        attempt: facts.attempt,
        input: input.map(raw).transpose()?,
        output: output.as_deref().map(raw).transpose()?,
        error,
        timing: timing(created_at, facts.started_at, ending),
        memory_peak_bytes: ending.and_then(|ending| ending.memory_peak_bytes),
        // Of one that ended without having run there is nothing known, and it is nothing.
        network: Network {
            bytes_in: ending.map(|ending| ending.network_in_bytes.unwrap_or(0)),
            bytes_out: ending.map(|ending| ending.network_out_bytes.unwrap_or(0)),
        },
        created_at,
        finished_at: ending.map(|ending| as_kept(ending.finished_at)),
        trigger: facts.trigger,
    };
    serde_json::to_vec(&shown).map_err(|error| Problem::Internal(error.into()))
}

fn timing(created: Timestamp, started: Option<Timestamp>, ending: Option<&Ending>) -> Timing {
    let queued = started.map(|at| at.as_millisecond() - created.as_millisecond());
    Timing {
        // Two machines' clocks: never less than nothing.
        queued_ms: queued.map(|ms| ms.max(0)),
        started_at: started.map(as_kept),
        duration_ms: ending.and_then(|ending| ending.duration_us).map(millis),
        cpu_ms: ending.and_then(|ending| ending.cpu_us).map(millis),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of an execution are far below 2^53"
)]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

/// JSON text that came from user code: shown as it is, if it is JSON at all.
fn raw(text: &[u8]) -> Result<&RawValue, Problem> {
    serde_json::from_slice(text).map_err(|error| Problem::Internal(error.into()))
}

/// The output's JSON text; there whenever the execution succeeded and was not erased.
pub(crate) async fn output(
    app: &Arc<App>,
    account: AccountId,
    facts: &Facts,
) -> Result<Option<Vec<u8>>, Problem> {
    let sealed = facts.outcome.as_ref().and_then(|o| o.output.as_deref());
    opened(app, account, (Purpose::Output, facts.id), sealed).await
}

/// As JSON, for those who show it.
pub(crate) async fn error(
    app: &Arc<App>,
    account: AccountId,
    facts: &Facts,
) -> Result<Option<Value>, Problem> {
    let failure = failure(app, account, facts).await?;
    failure
        .map(serde_json::to_value)
        .transpose()
        .map_err(|error| Problem::Internal(error.into()))
}

/// Why it did not succeed. The code stays when the texts are erased, and it is all
/// there ever was where it was ended by who can't seal: a recovery, or a worker that
/// could not read its entry.
pub(crate) async fn failure(
    app: &Arc<App>,
    account: AccountId,
    facts: &Facts,
) -> Result<Option<Failure>, Problem> {
    let Some(outcome) = &facts.outcome else {
        return Ok(None);
    };
    let sealed = outcome.error.as_deref();
    let text = opened(app, account, (Purpose::Error, facts.id), sealed).await?;
    match text {
        Some(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| Problem::Internal(error.into())),
        None => Ok(outcome
            .ending
            .error_code
            .map(|code| Failure::new(code, without_text(code, facts.erased)))),
    }
}

/// The message of an error whose text is not stored.
const fn without_text(code: ErrorCode, erased: bool) -> &'static str {
    match code {
        _ if erased => "erased",
        ErrorCode::Cancelled => "cancelled by request",
        _ => "nothing more is known",
    }
}

pub(crate) async fn logs(
    app: &Arc<App>,
    account: AccountId,
    facts: &Facts,
) -> Result<Logs, Problem> {
    let sealed = facts.outcome.as_ref().and_then(|o| o.logs.as_deref());
    match opened(app, account, (Purpose::Logs, facts.id), sealed).await? {
        None => Ok(Logs::default()),
        Some(text) => {
            serde_json::from_slice(&text).map_err(|error| Problem::Internal(error.into()))
        }
    }
}

async fn opened(
    app: &Arc<App>,
    account: AccountId,
    (purpose, id): (Purpose, ExecutionId),
    sealed: Option<&[u8]>,
) -> Result<Option<Vec<u8>>, Problem> {
    let Some(sealed) = sealed else {
        return Ok(None);
    };
    app.vault
        .open(account, purpose, id.uuid(), sealed)
        .await
        .or_sealed()
        .map(Some)
}

/// The input's JSON text, where it is known and not erased.
pub(crate) async fn input(
    app: &Arc<App>,
    account: AccountId,
    id: ExecutionId,
) -> Result<Option<Vec<u8>>, Problem> {
    let client = app.database.client().await.or_away()?;
    let sealed = common::db::executions::input(&client, account, id)
        .await
        .or_away()?
        .flatten();
    drop(client);
    opened(app, account, (Purpose::Input, id), sealed.as_deref()).await
}
