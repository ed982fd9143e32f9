//! Functions: published, shown, listed, deleted.

mod delete;
mod list;
mod publish;
mod show;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::db::functions::{self, Function};
use common::db::namespaces::Namespace;
use common::db::versions::{self, BrokenKind, EntryPoint, SingleUse, Version};
use common::ids::{AccountId, VersionId};
use common::names::FunctionName;
use common::network::AllowedHost;
use common::packages::Lock;
use common::source::Source;
use common::vault::Purpose;
use http::{HeaderValue, Method, header};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Access, Route, namespaces, route};
use crate::app::App;
use crate::call::Call;
use crate::fault::{Away as _, Sealed as _};
use crate::problem::Problem;
use crate::scope::Scope;

pub(super) fn routes() -> Vec<Route> {
    let read = Access::Needs(Scope::FunctionsRead);
    let write = Access::Needs(Scope::FunctionsWrite);
    let one = "/v1/namespaces/{ns}/functions/{fn}";
    vec![
        route(
            Method::GET,
            "/v1/namespaces/{ns}/functions",
            read,
            list::answer,
        ),
        route(Method::PUT, one, write, publish::answer),
        route(Method::GET, one, read, show::answer),
        route(Method::DELETE, one, write, delete::answer),
    ]
}

/// The function the path names, in a namespace the caller may use.
pub(super) async fn named(app: &Arc<App>, call: &Call) -> Result<(Namespace, Function), Problem> {
    let name: FunctionName = call.named("fn", "function")?;
    let namespace = namespaces::named(app, call).await?;
    let account = call.caller()?.account_id();
    let client = app.database.client().await.or_away()?;
    let found = functions::find(&client, account, namespace.id, name.as_str())
        .await
        .or_away()?
        .ok_or(Problem::NotFound("function"))?;
    Ok((namespace, found))
}

/// A version of a function as clients see it.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    id: String,
    namespace: String,
    name: String,
    version: u32,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_kind: Option<&'static str>,
    description: Option<String>,
    input_schema: Option<Box<RawValue>>,
    output_schema: Option<Box<RawValue>>,
    schema_inferred: bool,
    entry_point: Option<&'static str>,
    /// What its import left, where each execution has a sandbox of its own.
    single_use: Option<&'static str>,
    env: Env,
    network: Network,
    /// Names of the environment that its import reads, where each execution has a sandbox
    /// that was imported with the same values.
    import_env: Vec<String>,
    /// What its import printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    import_log: Option<String>,
    tags: Vec<String>,
    /// Packages as asked for, normalised.
    requirements: Vec<String>,
    /// `name==version` of what they were resolved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    packages: Option<Vec<String>>,
    annotations: Option<Box<RawValue>>,
    limits: Limits,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<BTreeMap<String, String>>,
    created_at: jiff::Timestamp,
    built_at: Option<jiff::Timestamp>,
}

/// The environment values it gets.
#[derive(Debug, Serialize)]
struct Env {
    required: Vec<String>,
    optional: Vec<String>,
}

/// The hosts its executions may connect to.
#[derive(Debug, Serialize)]
struct Network {
    allow: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Limits {
    timeout_ms: u32,
    memory_mib: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<u32>,
}

/// Opens what is sealed of a version and shows it under its function's names.
pub(super) async fn shown(
    app: &Arc<App>,
    account: AccountId,
    (namespace, name): (&str, &str),
    version: Version,
) -> Result<Shown, Problem> {
    let id = version.id.uuid();
    let description = opened(
        app,
        account,
        (Purpose::Description, id),
        version.description,
    );
    let reason = opened(app, account, (Purpose::Reason, id), version.reason);
    let (description, reason) = (description.await?, reason.await?);
    Ok(Shown {
        id: version.function.to_string(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        version: version.number,
        status: version.status.as_str(),
        error: reason.and_then(raw),
        error_kind: version.broken_kind.map(BrokenKind::as_str),
        description,
        input_schema: version.input_schema.and_then(raw),
        output_schema: version.output_schema.and_then(raw),
        schema_inferred: version.schema_inferred,
        entry_point: version.entry_point.map(EntryPoint::as_str),
        single_use: version.single_use.map(SingleUse::as_str),
        env: Env {
            required: version.env.required,
            optional: version.env.optional,
        },
        network: Network {
            allow: version.network.iter().map(AllowedHost::to_string).collect(),
        },
        import_env: version.import_env,
        import_log: None,
        tags: version.tags,
        requirements: version.requirements,
        packages: None,
        annotations: version.annotations.and_then(raw),
        limits: Limits {
            timeout_ms: version.timeout_ms,
            memory_mib: version.memory_mib,
            concurrency: version.concurrency,
        },
        code: None,
        files: None,
        created_at: version.created_at,
        built_at: version.built_at,
    })
}

impl Shown {
    /// With what may be long, which lists leave out.
    pub(super) async fn with_all(
        mut self,
        app: &Arc<App>,
        account: AccountId,
        version: VersionId,
    ) -> Result<Self, Problem> {
        let client = app.database.client().await.or_away()?;
        let log = versions::import_log(&client, account, version)
            .await
            .or_away()?;
        let lock = versions::lock(&client, account, version).await.or_away()?;
        drop(client);
        self.packages = lock.map(|text| {
            let lock = Lock::of(text);
            let packages = lock.packages();
            packages
                .map(|(name, version)| format!("{name}=={version}"))
                .collect()
        });
        let place = (Purpose::ImportLog, version.uuid());
        self.import_log = opened(app, account, place, log).await?;
        let source = source(app, account, version).await?;
        match source.as_single() {
            Some(code) => self.code = Some(code.to_owned()),
            None => self.files = Some(source.into_files()),
        }
        Ok(self)
    }
}

/// A version's code.
pub(super) async fn source(
    app: &Arc<App>,
    account: AccountId,
    version: VersionId,
) -> Result<Source, Problem> {
    let client = app.database.client().await.or_away()?;
    let sealed = versions::code(&client, account, version).await.or_away()?;
    drop(client);
    let sealed = sealed.ok_or(Problem::NotFound("version"))?;
    let bytes = app
        .vault
        .open(account, Purpose::Code, version.uuid(), &sealed);
    let bytes = bytes.await.or_sealed()?;
    Source::decode(bytes).map_err(|error| Problem::Internal(error.into()))
}

pub(super) async fn opened(
    app: &Arc<App>,
    account: AccountId,
    (purpose, id): (Purpose, Uuid),
    sealed: Option<Vec<u8>>,
) -> Result<Option<String>, Problem> {
    let Some(sealed) = sealed else {
        return Ok(None);
    };
    let bytes = app
        .vault
        .open(account, purpose, id, &sealed)
        .await
        .or_sealed()?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// JSON text that was stored as it is shown.
fn raw(text: String) -> Option<Box<RawValue>> {
    RawValue::from_string(text).ok()
}

/// `"<version>"`
pub(super) fn etag(number: u32) -> (header::HeaderName, HeaderValue) {
    let value = HeaderValue::from_str(&format!("\"{number}\""));
    let value = value.unwrap_or_else(|_| HeaderValue::from_static("\"\""));
    (header::ETAG, value)
}
