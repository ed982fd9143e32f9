//! From the entry to what the user's code did.

use std::collections::BTreeMap;
use std::time::Duration;

use common::entry::Entry;
use common::execution::{ErrorCode, Failure, Logs};
use common::ids::ExecutionId;
use common::limits;
use common::record::OnceStart;
use common::vault::Purpose;
use jail::{Context, Environment, FailureCode, Request, Sandbox, Tap};

use super::{
    AttemptError, Attempted, Ended, cancelled, failure_of, live, version_gone, worker_lost,
};
use crate::lease::{Lease, Sign};
use crate::sandboxes::{Kind, Taken, Wanted};
use crate::secrets::{self, SecretsError};
use crate::versions::{Loaded, Version};
use crate::worker::Worker;

/// How long a killed sandbox may take to say what it had printed.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// A run that takes longer is noted in its row, so that a recovery knows of it.
const NOTED: Duration = Duration::from_millis(100);

pub(super) async fn run(
    worker: &Worker,
    lease: &Lease,
    attempted: Attempted<'_>,
) -> Result<Ended, AttemptError> {
    let stream = attempted.work.leased.token.stream;
    let began = async {
        // Whatever is waited for here, a sign ends it; what is dropped with it is safe to drop.
        let ready = tokio::select! {
            biased;
            sign = lease.stopped() => return told(sign),
            ready = prepare(worker, lease, attempted) => ready?,
        };
        match ready {
            Ready::Ended(ended) => Ok(*ended),
            Ready::Run(prepared) => execute(worker, lease, attempted, *prepared).await,
        }
    };
    // The wait for a turn is short, and no sign cuts it.
    worker.turns.take(stream, began).await
}

/// What came of preparing: an end without a run, or all that the run takes.
enum Ready {
    Ended(Box<Ended>),
    Run(Box<Prepared>),
}

struct Prepared {
    version: std::sync::Arc<Loaded>,
    input: Vec<u8>,
    environment: Environment,
    sandbox: crate::sandboxes::InUse,
    timeout: Duration,
}

async fn prepare(
    worker: &Worker,
    lease: &Lease,
    Attempted { work, entry }: Attempted<'_>,
) -> Result<Ready, AttemptError> {
    lease.fresh().await?;
    lease.begin();
    let timeout = Duration::from_millis(entry.timeout_ms.into());
    let built = worker
        .versions
        .built(entry.account, entry.version, timeout)
        .await
        .map_err(AttemptError::Version)?;
    let unrun = |failure| Ok(Ready::Ended(Box::new(Ended::unrun(failure))));
    let version = match built {
        Version::Ready(loaded) => loaded,
        Version::Broken(failure) => return unrun(*failure),
        Version::Gone => return unrun(version_gone()),
        Version::Building => {
            return unrun(Failure::new(
                ErrorCode::Timeout,
                "the version was still being built when the time was up",
            ));
        }
    };
    let id = work.leased.id;
    let input = worker
        .vault
        .open(entry.account, Purpose::Input, id.uuid(), &entry.input)
        .await
        .map_err(AttemptError::Input)?;
    let environment = match environment(worker, id, entry, &version).await {
        Ok(Ok(environment)) => environment,
        Ok(Err(missing)) => return unrun(missing),
        Err(error) => return Err(AttemptError::Environment(error)),
    };
    let none = Environment::default();
    let wanted = Wanted {
        version: &version,
        patience: timeout,
        environment: if version.reads_env {
            &environment
        } else {
            &none
        },
        alone: version.reads_env && entry.env.is_some(),
    };
    let taken = worker
        .sandboxes
        .take(Kind::from(entry), wanted)
        .await
        .map_err(AttemptError::Sandbox)?;
    let sandbox = match taken {
        Taken::Ready(sandbox) => sandbox,
        Taken::Unusable { failure, log } => {
            return Ok(Ready::Ended(Box::new(unusable(&failure, log))));
        }
    };
    // The last step before user code: from its commit on it never starts again.
    if entry.once {
        match worker.record.start_once(work, entry).await {
            Ok(OnceStart::Granted) => {}
            Ok(OnceStart::Refused) => return unrun(worker_lost()),
            Err(error) => return Err(AttemptError::Once(error)),
        }
    }
    lease.fresh().await?;
    Ok(Ready::Run(Box::new(Prepared {
        version,
        input,
        environment,
        sandbox,
        timeout,
    })))
}

/// What the code finds in `os.environ`. The inner error ends the execution: a value that
/// was there when it was accepted is gone.
async fn environment(
    worker: &Worker,
    id: ExecutionId,
    entry: &Entry,
    version: &Loaded,
) -> Result<Result<Environment, Failure>, SecretsError> {
    if version.env.is_empty() {
        return Ok(Ok(Environment::default()));
    }
    let wanted = secrets::Wanted {
        account: entry.account,
        namespace: entry.namespace,
        version: entry.version,
        declared: &version.env,
    };
    let own = match &entry.env {
        None => BTreeMap::new(),
        Some(sealed) => secrets::own_of(&worker.vault, entry.account, id, sealed).await?,
    };
    let mut known = worker.secrets.of(wanted).await?;
    let missing = |known: &secrets::Declared| {
        let mut required = version.env.required.iter();
        required.find(|name| !own.contains_key(*name) && !known.has(name))
    };
    if missing(&known).is_some() {
        known = worker.secrets.anew(wanted).await?;
    }
    Ok(match missing(&known) {
        None if own.is_empty() => Ok(known.environment()),
        None => Ok(secrets::ready(known.with(own, &version.env)).await?),
        Some(name) => Err(Failure::new(
            ErrorCode::ImportError,
            format!("the environment value {name} was deleted before it ran"),
        )),
    })
}

async fn execute(
    worker: &Worker,
    lease: &Lease,
    attempted: Attempted<'_>,
    mut prepared: Prepared,
) -> Result<Ended, AttemptError> {
    let Some(sandbox) = prepared.sandbox.sandbox() else {
        return Err(AttemptError::Run(jail::SandboxError::Gone));
    };
    lease.attach(sandbox.killer());
    let work = attempted.work;
    let id = work.leased.id.to_string();
    let started_at = worker.clock.now();
    let waited = started_at.duration_since(work.leased.id.at());
    worker
        .metrics
        .queue_wait
        .observe(waited.as_secs_f64().max(0.0));
    let tap = Tap::default();
    let request = Request {
        input: &prepared.input,
        context: Context {
            execution_id: &id,
            namespace: &prepared.version.namespace,
            function: &prepared.version.function,
            version: prepared.version.number.into(),
            attempt: work.attempt(),
            deadline_ms: started_at
                .checked_add(prepared.timeout)
                .map_or(i64::MAX, jiff::Timestamp::as_millisecond),
        },
        timeout: prepared.timeout,
        output_bytes: limits::OUTPUT_BYTES,
        tap: Some(&tap),
        environment: prepared.environment.clone(),
    };
    let done = tokio::select! {
        done = to_the_end(lease, sandbox, request) => done,
        // Never ready: they only note that it runs, and tell what it prints.
        () = note(worker, attempted, started_at) => None,
        () = live::tell(worker, attempted, (started_at, &tap)) => None,
    };
    let sign = lease.sign();
    let Some(done) = done else {
        // Killed, and silent: dropping the sandbox makes sure of it.
        drop(prepared.sandbox);
        return told(sign.max(Sign::Stop));
    };
    let done = done.map_err(AttemptError::Run)?;
    lease.ran();
    prepared.sandbox.give_back();
    worker.metrics.run.observe(done.duration.as_secs_f64());
    let killed = matches!(
        &done.result,
        Err(failure) if matches!(failure.code, FailureCode::Cancelled | FailureCode::Killed)
    );
    let ended = Ended::of(done, started_at);
    match sign {
        Sign::Run => Ok(ended),
        Sign::Cancel => Ok(ended.cancelled()),
        // What ended before the kill reached it is an outcome all the same; whether
        // it may be sent is for the lease to say.
        Sign::Stop if !killed => Ok(ended),
        Sign::Stop | Sign::Lost => Err(AttemptError::Told(sign)),
    }
}

/// Runs to the end; gives `None` where a killed sandbox doesn't say anything more.
async fn to_the_end(
    lease: &Lease,
    sandbox: &mut Sandbox,
    request: Request<'_>,
) -> Option<Result<jail::Done, jail::SandboxError>> {
    let killer = sandbox.killer();
    let running = sandbox.run(request);
    tokio::pin!(running);
    tokio::select! {
        done = &mut running => return Some(done),
        _ = lease.stopped() => killer.kill(),
    }
    tokio::time::timeout(LAST_WORDS, running).await.ok()
}

/// Notes a run in its row once it has taken long enough to be worth it.
async fn note(worker: &Worker, attempted: Attempted<'_>, started_at: jiff::Timestamp) {
    tokio::time::sleep(NOTED).await;
    worker.record.running(attempted.work, started_at).await;
    std::future::pending::<()>().await;
}

/// What a sign means for an attempt that has no result.
fn told(sign: Sign) -> Result<Ended, AttemptError> {
    match sign {
        Sign::Cancel => Ok(Ended::unrun(cancelled())),
        sign => Err(AttemptError::Told(sign)),
    }
}

fn unusable(failure: &jail::Failure, log: String) -> Ended {
    Ended {
        logs: Logs {
            stdout: log,
            stderr: String::new(),
            truncated: false,
        },
        ..Ended::unrun(failure_of(failure))
    }
}
