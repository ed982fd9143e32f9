//! Publishing a version and waiting until a worker has built it.
//!
//! The code is only stored here. It is parsed and imported in a sandbox, by a worker,
//! which announces what it found; a version whose syntax is wrong is taken back
//! and was never there.

use std::sync::Arc;

use common::accept::schema::Schema;
use common::db::publish::{self, Publish, Published};
use common::db::versions::{self, BrokenKind, DeclaredEnv, Status, Version};
use common::ids::{AccountId, FunctionId, NamespaceId, VersionId};
use common::json::pointer_token;
use common::limits;
use common::names::FunctionName;
use common::network::AllowedHost;
use common::packages::LockDigest;
use common::source::Source;
use common::vault::Purpose;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::app::App;
use crate::caller::Caller;
use crate::fault::{Away as _, Sealed as _};
use crate::problem::{FieldError, Problem};
use crate::targets::Reason;

/// A version as asked for, checked.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) source: Source,
    pub(crate) description: Option<String>,
    /// JSON texts.
    pub(crate) input_schema: Option<String>,
    pub(crate) output_schema: Option<String>,
    pub(crate) annotations: Option<String>,
    pub(crate) tags: Vec<String>,
    /// PEP 508, normalised and sorted.
    pub(crate) requirements: Vec<String>,
    /// Of a version that is restored: what they were resolved to.
    pub(crate) lock: Option<LockDigest>,
    pub(crate) timeout_ms: u32,
    pub(crate) memory_mib: u32,
    pub(crate) concurrency: Option<u32>,
    /// Sorted, each name once.
    pub(crate) env: DeclaredEnv,
    /// Sorted, each once.
    pub(crate) network: Vec<AllowedHost>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Done {
    /// The function did not exist before.
    pub(crate) created: bool,
    pub(crate) version: Version,
}

/// Where a draft goes, and which version it expects to find there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) namespace: NamespaceId,
    pub(crate) name: &'a FunctionName,
    pub(crate) expected: Option<u32>,
}

/// Publishes and waits, [`limits::BUILD_WAIT`] at most.
pub(crate) async fn publish(
    app: &Arc<App>,
    caller: &Caller,
    place: Place<'_>,
    draft: &Draft,
) -> Result<Done, Problem> {
    let account = caller.account_id();
    let version = VersionId::new(app.clock.as_ref());
    let mut news = app.targets.news();
    let published = store(app, caller, place, (version, draft)).await?;
    let (created, id) = match published {
        Published::Created { .. } => (true, version),
        Published::Updated { .. } => (false, version),
        Published::Unchanged { version, .. } => (false, version),
        Published::Mismatch { current } => {
            return Err(Problem::VersionMismatch(current.unwrap_or(0)));
        }
        Published::NoNamespace => return Err(Problem::NotFound("namespace")),
        Published::TooMany => {
            let limit = app.plans.of(caller.account.plan).functions;
            return Err(Problem::PlanLimit {
                what: "functions",
                limit: u64::from(limit.unwrap_or(u32::MAX)),
            });
        }
    };
    let deadline = Instant::now() + limits::BUILD_WAIT;
    loop {
        let client = app.database.client().await.or_away()?;
        // None where it is deleted meanwhile.
        let found = versions::live(&client, account, id).await.or_away()?;
        drop(client);
        let version = found.ok_or(Problem::NotFound("function"))?;
        app.targets.forget_function(version.function);
        match version.status {
            Status::Building if Instant::now() < deadline => news.next(deadline).await,
            Status::Broken if version.broken_kind == Some(BrokenKind::Syntax) => {
                let is_single = draft.source.as_single().is_some();
                return Err(take_back(app, account, &version, is_single).await?);
            }
            _ => return Ok(Done { created, version }),
        }
    }
}

async fn store(
    app: &Arc<App>,
    caller: &Caller,
    place: Place<'_>,
    (version, draft): (VersionId, &Draft),
) -> Result<Published, Problem> {
    let account = caller.account_id();
    let seal = async |purpose, text: &[u8]| {
        app.vault
            .seal(account, purpose, version.uuid(), text)
            .await
            .or_sealed()
    };
    let code = seal(Purpose::Code, &draft.source.encode()).await?;
    let description = match &draft.description {
        None => None,
        Some(text) => Some(seal(Purpose::Description, text.as_bytes()).await?),
    };
    let wanted = Publish {
        namespace: place.namespace,
        name: place.name,
        function: FunctionId::new(app.clock.as_ref()),
        version,
        expected: place.expected,
        most: app.plans.of(caller.account.plan).functions,
        code: &code,
        body_digest: draft.digest(account),
        description: description.as_deref(),
        input_schema: draft.input_schema.as_deref(),
        output_schema: draft.output_schema.as_deref(),
        tags: &draft.tags,
        annotations: draft.annotations.as_deref(),
        timeout_ms: draft.timeout_ms,
        memory_mib: draft.memory_mib,
        concurrency: draft.concurrency,
        max_attempts: None,
        requirements: &draft.requirements,
        lock: draft.lock,
        env: &draft.env,
        network: &draft.network,
        now: app.now(),
    };
    let mut client = app.database.client().await.or_away()?;
    publish::publish(&mut client, account, &wanted)
        .await
        .or_away()
}

/// Removes a version whose syntax is wrong and says where.
async fn take_back(
    app: &Arc<App>,
    account: AccountId,
    version: &Version,
    is_single: bool,
) -> Result<Problem, Problem> {
    let reason = match &version.reason {
        None => None,
        Some(sealed) => {
            let text = app
                .vault
                .open(account, Purpose::Reason, version.id.uuid(), sealed)
                .await
                .or_sealed()?;
            Reason::read(&text)
        }
    };
    let mut client = app.database.client().await.or_away()?;
    publish::withdraw(&mut client, account, version.id)
        .await
        .or_away()?;
    app.targets.version_changed(version.id);
    let (file, detail) = match reason {
        None => (None, "the syntax is wrong".to_owned()),
        Some(reason) => (
            reason.file,
            placed(&reason.message, reason.line, reason.column),
        ),
    };
    let pointer = if is_single {
        file_pointer("code", None)
    } else {
        file_pointer("files", file.as_deref())
    };
    Ok(Problem::field(pointer, detail))
}

/// JSON Pointer to a file, or to all of them (RFC 6901).
pub(crate) fn file_pointer(field: &str, file: Option<&str>) -> String {
    match file {
        None => format!("/{field}"),
        Some(file) => format!("/{field}{}", pointer_token(file)),
    }
}

/// `line 3, column 7: …`, as far as it is known.
fn placed(message: &str, line: Option<u32>, column: Option<u32>) -> String {
    match (line, column) {
        (Some(line), Some(column)) => format!("line {line}, column {column}: {message}"),
        (Some(line), None) => format!("line {line}: {message}"),
        _ => message.to_owned(),
    }
}

/// A schema as it is stored: checked, bounded, as JSON text.
pub(crate) fn schema_text(pointer: &str, schema: &Value) -> Result<String, FieldError> {
    let text = schema.to_string();
    if text.len() > limits::SCHEMA_BYTES {
        let most = limits::SCHEMA_BYTES;
        return Err(FieldError::new(pointer, format!("at most {most} bytes")));
    }
    Schema::compile(schema)
        .map_err(|fault| FieldError::new(format!("{pointer}{}", fault.pointer), fault.what))?;
    Ok(text)
}

impl Draft {
    /// The same for the same body of the same account, and telling nothing to others.
    fn digest(&self, account: AccountId) -> [u8; 32] {
        let canonical = json!([
            account,
            self.source
                .as_single()
                .map_or_else(|| json!(self.source.files()), |text| json!(text)),
            self.description,
            self.input_schema,
            self.output_schema,
            self.annotations,
            self.tags,
            self.timeout_ms,
            self.memory_mib,
            self.concurrency,
        ]);
        let mut digest = Sha256::new_with_prefix(canonical.to_string().as_bytes());
        // What a body may say since later: without it the digest stays what it was.
        if !self.requirements.is_empty() {
            let later = json!({"requirements": self.requirements});
            digest.update(later.to_string().as_bytes());
        }
        if !self.env.is_empty() {
            let DeclaredEnv { required, optional } = &self.env;
            let later = json!({"env": {"required": required, "optional": optional}});
            digest.update(later.to_string().as_bytes());
        }
        if !self.network.is_empty() {
            let hosts: Vec<_> = self.network.iter().map(AllowedHost::to_string).collect();
            let later = json!({"network": {"allow": hosts}});
            digest.update(later.to_string().as_bytes());
        }
        digest.finalize().into()
    }
}
