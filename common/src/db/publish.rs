//! Publishing a version, and taking back one whose syntax is wrong.

use jiff::Timestamp;
use uuid::Uuid;

use super::columns::{digest, get, id, int, optional_digest, word};
use super::statement::statements;
use super::versions::{DeclaredEnv, Status};
use super::{Client, DbError, GenericClient, accounts, functions};
use crate::ids::{AccountId, FunctionId, NamespaceId, VersionId};
use crate::names::FunctionName;
use crate::network::AllowedHost;
use crate::packages::LockDigest;

/// A version as asked for. Texts are sealed under its id before it is published.
#[derive(Clone, Debug)]
pub struct Publish<'a> {
    pub namespace: NamespaceId,
    pub name: &'a FunctionName,
    /// The function's, if it is new.
    pub function: FunctionId,
    pub version: VersionId,
    /// The number that `If-Match` names: another current version, and nothing is done.
    pub expected: Option<u32>,
    /// Functions the account may have.
    pub most: Option<u32>,
    /// Sealed.
    pub code: &'a [u8],
    /// SHA-256 of the canonical body.
    pub body_digest: [u8; 32],
    /// Sealed.
    pub description: Option<&'a [u8]>,
    pub input_schema: Option<&'a str>,
    pub output_schema: Option<&'a str>,
    pub tags: &'a [String],
    /// Normalised and sorted.
    pub requirements: &'a [String],
    /// Of a version that is restored: what they were resolved to then.
    pub lock: Option<LockDigest>,
    pub annotations: Option<&'a str>,
    pub timeout_ms: u32,
    pub memory_mib: u32,
    pub concurrency: Option<u32>,
    pub max_attempts: Option<u32>,
    pub env: &'a DeclaredEnv,
    /// Sorted, each once.
    pub network: &'a [AllowedHost],
    pub now: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The function did not exist.
    Created {
        number: u32,
    },
    Updated {
        function: FunctionId,
        number: u32,
    },
    /// The newest version, not broken, has this very body: no new one was made.
    Unchanged {
        function: FunctionId,
        version: VersionId,
        number: u32,
    },
    /// Another version is current; `None` where the function does not exist.
    Mismatch {
        current: Option<u32>,
    },
    NoNamespace,
    TooMany,
}

statements! {
    NAMESPACE = "select id from namespaces
        where account_id = $1 and id = $2 and deleted_at is null for key share";
    FUNCTION = "select id from functions
        where account_id = $1 and namespace_id = $2 and name = $3 and deleted_at is null
        for no key update";
    NEWEST = "select v.id, v.number, v.status, v.body_digest, v.lock_digest,
            v.status = 'ready' and v.entry_point is null and v.broken_kind is null
                and cardinality(v.import_env) > 0 as unknown,
            (select c.number from versions c where c.id = f.current_version_id) as current
        from functions f join versions v on v.function_id = f.id
        where f.account_id = $1 and f.id = $2 order by v.number desc limit 1";
    CREATE_FUNCTION = "insert into functions
            (id, account_id, namespace_id, name, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $5)";
    CREATE_VERSION = "insert into versions (id, account_id, function_id, number, code, body_digest,
            description, input_schema, output_schema, tags, annotations, timeout_ms, memory_mib,
            concurrency, max_attempts, requirements, lock_digest, created_at, env_required,
            env_optional, network_allow)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
            $19, $20, $21)";
    WITHDRAW = "delete from versions v
        where v.account_id = $1 and v.id = $2 and v.status = 'broken' and v.broken_kind = 'syntax'
            and not exists (select from functions f where f.current_version_id = v.id)
        returning v.function_id";
    WITHDRAW_FUNCTION = "delete from functions f where f.account_id = $1 and f.id = $2
        and not exists (select from versions v where v.function_id = f.id)";
}

/// Publishes a version as `building`, which is announced at the commit.
///
/// Who publishes to the same account waits: numbers have no gaps and bounds are exact.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn publish(
    client: &mut Client,
    account: AccountId,
    wanted: &Publish<'_>,
) -> Result<Published, DbError> {
    let failed = DbError::of("publish");
    let transaction = client.transaction().await.map_err(&failed)?;
    accounts::lock(&transaction, account).await?;
    let (tenant, namespace) = (account.uuid(), wanted.namespace.uuid());
    if NAMESPACE
        .row(&transaction, &[&tenant, &namespace])
        .await?
        .is_none()
    {
        return Ok(Published::NoNamespace);
    }
    let found = FUNCTION
        .row(&transaction, &[&tenant, &namespace, &wanted.name.as_str()])
        .await?;
    let published = match found {
        Some(row) => {
            let function = id(&row, "id", FunctionId::from_uuid)?;
            add(&transaction, account, function, wanted).await?
        }
        None => create(&transaction, account, wanted).await?,
    };
    transaction.commit().await.map_err(&failed)?;
    Ok(published)
}

async fn create(
    client: &impl GenericClient,
    account: AccountId,
    wanted: &Publish<'_>,
) -> Result<Published, DbError> {
    if wanted.expected.is_some() {
        return Ok(Published::Mismatch { current: None });
    }
    let there = functions::counted(client, account).await?;
    if wanted.most.is_some_and(|most| there >= i64::from(most)) {
        return Ok(Published::TooMany);
    }
    CREATE_FUNCTION
        .change(
            client,
            &[
                &wanted.function.uuid(),
                &account.uuid(),
                &wanted.namespace.uuid(),
                &wanted.name.as_str(),
                &wanted.now,
            ],
        )
        .await?;
    insert(client, account, wanted.function, (1, wanted)).await?;
    Ok(Published::Created { number: 1 })
}

async fn add(
    client: &impl GenericClient,
    account: AccountId,
    function: FunctionId,
    wanted: &Publish<'_>,
) -> Result<Published, DbError> {
    let newest = NEWEST
        .row(client, &[&account.uuid(), &function.uuid()])
        .await?;
    let mut next = 1;
    let mut current = None;
    if let Some(row) = &newest {
        let number = super::columns::count(row, "number")?;
        let status = word(row, "status", Status::parse)?;
        current = get::<Option<i32>>(row, "current")?.and_then(|n| u32::try_from(n).ok());
        let expected = wanted.expected;
        if expected.is_some() && expected != current.or(Some(number)) {
            return Ok(Published::Mismatch { current });
        }
        // A restored version wants the very packages of then.
        let lock = optional_digest(row, "lock_digest")?.map(LockDigest::from_bytes);
        let same_packages = wanted.lock.is_none() || wanted.lock == lock;
        let same_body = digest(row, "body_digest")? == wanted.body_digest;
        // One whose import wanted values that weren't there yet may be described now.
        let is_known = !get::<bool>(row, "unknown")?;
        if status != Status::Broken && is_known && same_body && same_packages {
            return Ok(Published::Unchanged {
                function,
                version: id(row, "id", VersionId::from_uuid)?,
                number,
            });
        }
        next = number + 1;
    }
    if newest.is_none() && wanted.expected.is_some() {
        return Ok(Published::Mismatch { current });
    }
    insert(client, account, function, (next, wanted)).await?;
    Ok(Published::Updated {
        function,
        number: next,
    })
}

async fn insert(
    client: &impl GenericClient,
    account: AccountId,
    function: FunctionId,
    (number, wanted): (u32, &Publish<'_>),
) -> Result<(), DbError> {
    let network: Vec<String> = wanted.network.iter().map(AllowedHost::to_string).collect();
    CREATE_VERSION
        .change(
            client,
            &[
                &wanted.version.uuid(),
                &account.uuid(),
                &function.uuid(),
                &int(number),
                &wanted.code,
                &wanted.body_digest.as_slice(),
                &wanted.description,
                &wanted.input_schema,
                &wanted.output_schema,
                &wanted.tags,
                &wanted.annotations,
                &int(wanted.timeout_ms),
                &int(wanted.memory_mib),
                &wanted.concurrency.map(int),
                &wanted.max_attempts.map(int),
                &wanted.requirements,
                &wanted.lock.as_ref().map(|lock| lock.as_bytes().as_slice()),
                &wanted.now,
                &wanted.env.required,
                &wanted.env.optional,
                &network,
            ],
        )
        .await
        .map(|_| ())
}

/// Takes back a version whose syntax is wrong, and its function if it has no
/// other: nobody was told of it. Gives whether it was there.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn withdraw(
    client: &mut Client,
    account: AccountId,
    version: VersionId,
) -> Result<bool, DbError> {
    let failed = DbError::of("withdraw");
    let transaction = client.transaction().await.map_err(&failed)?;
    accounts::lock(&transaction, account).await?;
    let params: super::statement::Params<'_> = &[&account.uuid(), &version.uuid()];
    let Some(row) = WITHDRAW.row(&transaction, params).await? else {
        return Ok(false);
    };
    let function: Uuid = get(&row, "function_id")?;
    WITHDRAW_FUNCTION
        .change(&transaction, &[&account.uuid(), &function])
        .await?;
    transaction.commit().await.map_err(&failed)?;
    Ok(true)
}
