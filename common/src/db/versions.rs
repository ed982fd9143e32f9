//! Immutable code, schemas and limits of a function.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::columns::{NUL, count, digest, get, id, optional_digest, optional_word, word};
use super::statement::statements;
use super::{DbError, GenericClient};
use crate::ids::{AccountId, FunctionId, NamespaceId, VersionId};
use crate::network::AllowedHost;
use crate::packages::LockDigest;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words!(Status {
    Building = "building",
    Ready = "ready",
    Broken = "broken",
});

words!(/// What is wrong with a version.
BrokenKind {
    Syntax = "syntax",
    /// Its requirements cannot be resolved or installed.
    Packages = "packages",
    /// The status may be `ready` all the same: calls answer `import_error`.
    Import = "import",
    /// It could not be built, through no fault of its code that is known.
    Build = "build",
});

words!(/// What an import left, so that each execution has a sandbox of its own.
SingleUse {
    Threads = "threads",
    Processes = "processes",
    /// SIGCHLD is ignored: no child can be waited for.
    Sigchld = "sigchld",
    User = "user",
    OpenFiles = "open_files",
    SharedMemory = "shared_memory",
    Files = "files",
    Other = "other",
});

words!(/// What of a module is called.
EntryPoint {
    Main = "main",
    Handler = "handler",
    Script = "script",
});

/// A version without its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub id: VersionId,
    pub function: FunctionId,
    pub number: u32,
    pub status: Status,
    pub broken_kind: Option<BrokenKind>,
    pub body_digest: [u8; 32],
    /// Sealed.
    pub description: Option<Vec<u8>>,
    /// JSON text.
    pub input_schema: Option<String>,
    /// JSON text.
    pub output_schema: Option<String>,
    pub schema_inferred: bool,
    /// Known once built.
    pub entry_point: Option<EntryPoint>,
    pub tags: Vec<String>,
    /// JSON text.
    pub annotations: Option<String>,
    pub timeout_ms: u32,
    pub memory_mib: u32,
    pub concurrency: Option<u32>,
    /// 1: never started twice. `None`: failures are not retried.
    pub max_attempts: Option<u32>,
    /// JSON text, sealed: why it is broken.
    pub reason: Option<Vec<u8>>,
    pub single_use: Option<SingleUse>,
    /// PEP 508, normalised and sorted.
    pub requirements: Vec<String>,
    /// What they were resolved to.
    pub lock: Option<LockDigest>,
    pub env: DeclaredEnv,
    /// Hosts its executions may connect to; sorted.
    pub network: Vec<AllowedHost>,
    /// Names of the environment that its import reads.
    pub import_env: Vec<String>,
    pub created_at: Timestamp,
    pub built_at: Option<Timestamp>,
}

/// Names of the environment values a version gets; no others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredEnv {
    /// No call is taken without.
    pub required: Vec<String>,
    pub optional: Vec<String>,
}

impl DeclaredEnv {
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.required.is_empty() && self.optional.is_empty()
    }

    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.required.iter().chain(&self.optional)
    }
}

/// What a call runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    pub namespace: NamespaceId,
    pub function: FunctionId,
    pub version: Version,
}

macro_rules! columns {
    () => {
        "v.id, v.function_id, v.number, v.status, v.broken_kind, v.body_digest, v.description,
            v.input_schema, v.output_schema, v.schema_inferred, v.entry_point, v.tags,
            v.annotations, v.timeout_ms, v.memory_mib, v.concurrency, v.max_attempts, v.reason,
            v.single_use, v.requirements, v.lock_digest, v.env_required, v.env_optional,
            v.network_allow, v.import_env, v.created_at, v.built_at"
    };
}
pub(super) use columns;

statements! {
    FIND = concat!("select ", columns!(), " from versions v
        where v.account_id = $1 and v.id = $2");
    LIVE = concat!("select ", columns!(), " from versions v
        join functions f on f.id = v.function_id
        where v.account_id = $1 and v.id = $2 and f.deleted_at is null");
    BY_NUMBER = concat!("select ", columns!(), " from versions v
        join functions f on f.id = v.function_id
        where v.account_id = $1 and v.function_id = $2 and v.number = $3 and f.deleted_at is null");
    RUNNABLE = concat!("select n.name as namespace_name, f.name as function_name, v.code, ",
        columns!(), " from versions v
        join functions f on f.id = v.function_id
        join namespaces n on n.id = f.namespace_id
        where v.account_id = $1 and v.id = $2");
    CODE = "select code from versions where account_id = $1 and id = $2";
    LOCK = "select l.text from versions v join locks l on l.digest = v.lock_digest
        where v.account_id = $1 and v.id = $2";
    IMPORT_LOG = "select import_log from versions where account_id = $1 and id = $2";
    LIST = concat!("select ", columns!(), " from versions v
        join functions f on f.id = v.function_id
        where v.account_id = $1 and v.function_id = $2 and f.deleted_at is null
            and ($3::integer is null or v.number < $3)
        order by v.number desc limit $4");
    RESOLVE = concat!("select f.namespace_id, ", columns!(), " from namespaces n
        join functions f on f.namespace_id = n.id
        join versions v on v.function_id = f.id
        where n.account_id = $1 and n.name = $2 and n.deleted_at is null
            and f.name = $3 and f.deleted_at is null
            and case when $4::integer is not null then v.number = $4
                when f.current_version_id is not null then v.id = f.current_version_id
                else v.number = (select max(number) from versions where function_id = f.id) end");
}

/// By id, of a deleted function too: what is queued still runs.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn find(
    client: &impl GenericClient,
    account: AccountId,
    version: VersionId,
) -> Result<Option<Version>, DbError> {
    let row = FIND
        .row(client, &[&account.uuid(), &version.uuid()])
        .await?;
    row.as_ref().map(read).transpose()
}

/// By id, unless its function was deleted.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn live(
    client: &impl GenericClient,
    account: AccountId,
    version: VersionId,
) -> Result<Option<Version>, DbError> {
    let row = LIVE
        .row(client, &[&account.uuid(), &version.uuid()])
        .await?;
    row.as_ref().map(read).transpose()
}

/// # Errors
/// Where PostgreSQL does not answer.
pub async fn by_number(
    client: &impl GenericClient,
    account: AccountId,
    function: FunctionId,
    number: u32,
) -> Result<Option<Version>, DbError> {
    let Ok(number) = i32::try_from(number) else {
        return Ok(None);
    };
    let row = BY_NUMBER
        .row(client, &[&account.uuid(), &function.uuid(), &number])
        .await?;
    row.as_ref().map(read).transpose()
}

/// A version with all that running it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runnable {
    pub namespace: String,
    pub function: String,
    pub version: Version,
    /// Sealed under the version's id.
    pub code: Vec<u8>,
}

/// By id, with its code and names; of a deleted function too.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn runnable(
    client: &impl GenericClient,
    account: AccountId,
    version: VersionId,
) -> Result<Option<Runnable>, DbError> {
    let row = RUNNABLE
        .row(client, &[&account.uuid(), &version.uuid()])
        .await?;
    let read = |row: &Row| {
        Ok(Runnable {
            namespace: get(row, "namespace_name")?,
            function: get(row, "function_name")?,
            version: read(row)?,
            code: get(row, "code")?,
        })
    };
    row.as_ref().map(read).transpose()
}

/// A version's code, sealed under its id; of a deleted function too.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn code(
    client: &impl GenericClient,
    account: AccountId,
    version: VersionId,
) -> Result<Option<Vec<u8>>, DbError> {
    let row = CODE
        .row(client, &[&account.uuid(), &version.uuid()])
        .await?;
    row.as_ref().map(|row| get(row, "code")).transpose()
}

/// What a version's requirements were resolved to; `None` where there are none, or not yet.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn lock(
    client: &impl GenericClient,
    account: AccountId,
    version: VersionId,
) -> Result<Option<String>, DbError> {
    let row = LOCK
        .row(client, &[&account.uuid(), &version.uuid()])
        .await?;
    row.as_ref().map(|row| get(row, "text")).transpose()
}

/// What a version's import printed, sealed under its id; `None` where nothing, or no version.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn import_log(
    client: &impl GenericClient,
    account: AccountId,
    version: VersionId,
) -> Result<Option<Vec<u8>>, DbError> {
    let row = IMPORT_LOG
        .row(client, &[&account.uuid(), &version.uuid()])
        .await?;
    let log = row.as_ref().map(|row| get(row, "import_log"));
    Ok(log.transpose()?.flatten())
}

/// Newest first; `before` is a number.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn list(
    client: &impl GenericClient,
    account: AccountId,
    function: FunctionId,
    before: Option<u32>,
    most: u32,
) -> Result<Vec<Version>, DbError> {
    let before = before.map(super::columns::int);
    let params: super::statement::Params<'_> =
        &[&account.uuid(), &function.uuid(), &before, &i64::from(most)];
    let rows = LIST.rows(client, params).await?;
    rows.iter().map(read).collect()
}

/// What a call of `namespace/function` runs: the version asked for, else the
/// current one, else (none was ever ready) the newest.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn resolve(
    client: &impl GenericClient,
    account: AccountId,
    namespace: &str,
    function: &str,
    number: Option<u32>,
) -> Result<Option<Resolved>, DbError> {
    if namespace.contains(NUL) || function.contains(NUL) {
        return Ok(None);
    }
    let number = number.map(super::columns::int);
    let params: super::statement::Params<'_> = &[&account.uuid(), &namespace, &function, &number];
    let Some(row) = RESOLVE.row(client, params).await? else {
        return Ok(None);
    };
    let version = read(&row)?;
    Ok(Some(Resolved {
        namespace: id(&row, "namespace_id", NamespaceId::from_uuid)?,
        function: version.function,
        version,
    }))
}

pub(super) fn read(row: &Row) -> Result<Version, DbError> {
    let optional = |column| -> Result<Option<u32>, DbError> {
        get::<Option<i32>>(row, column)?
            .map(|value| u32::try_from(value).map_err(|_| DbError::column(column)))
            .transpose()
    };
    Ok(Version {
        id: id(row, "id", VersionId::from_uuid)?,
        function: id(row, "function_id", FunctionId::from_uuid)?,
        number: count(row, "number")?,
        status: word(row, "status", Status::parse)?,
        broken_kind: optional_word(row, "broken_kind", BrokenKind::parse)?,
        body_digest: digest(row, "body_digest")?,
        description: get(row, "description")?,
        input_schema: get(row, "input_schema")?,
        output_schema: get(row, "output_schema")?,
        schema_inferred: get(row, "schema_inferred")?,
        entry_point: optional_word(row, "entry_point", EntryPoint::parse)?,
        tags: get(row, "tags")?,
        annotations: get(row, "annotations")?,
        timeout_ms: count(row, "timeout_ms")?,
        memory_mib: count(row, "memory_mib")?,
        concurrency: optional("concurrency")?,
        max_attempts: optional("max_attempts")?,
        reason: get(row, "reason")?,
        single_use: optional_word(row, "single_use", SingleUse::parse)?,
        requirements: get(row, "requirements")?,
        lock: optional_digest(row, "lock_digest")?.map(LockDigest::from_bytes),
        env: DeclaredEnv {
            required: get(row, "env_required")?,
            optional: get(row, "env_optional")?,
        },
        network: hosts(row, "network_allow")?,
        import_env: get(row, "import_env")?,
        created_at: get(row, "created_at")?,
        built_at: get(row, "built_at")?,
    })
}

fn hosts(row: &Row, column: &'static str) -> Result<Vec<AllowedHost>, DbError> {
    get::<Vec<&str>>(row, column)?
        .into_iter()
        .map(|text| text.parse().map_err(|_| DbError::column(column)))
        .collect()
}
