//! Building a version: claiming one, and saying what became of it.
//!
//! A claim is a lease: whoever claims later than its end takes the version over,
//! and the earlier builder's end is then refused.

use std::time::Duration;

use jiff::Timestamp;

use super::columns::{get, id, word};
use super::statement::statements;
use super::versions::{self, BrokenKind, EntryPoint, SingleUse, Version};
use super::{Client, DbError, GenericClient};
use crate::ids::{AccountId, FunctionId, NamespaceId, ProcessId, VersionId};
use crate::packages::Lock;
use crate::plan::Plan;

/// A version this process may build.
#[derive(Clone, Debug)]
pub struct Building {
    pub account: AccountId,
    pub namespace: NamespaceId,
    pub version: Version,
    /// Sealed.
    pub code: Vec<u8>,
    /// The text of its lock, where it has one already.
    pub lock_text: Option<String>,
    /// The account's, now.
    pub plan: Plan,
    /// Times it was claimed, this one among them.
    pub attempts: u32,
}

/// Who wants to build something, and for how long it is theirs.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub process: ProcessId,
    pub now: Timestamp,
    pub lease: Duration,
    /// Versions that ask for packages too.
    pub with_packages: bool,
}

/// What a build found. What is `None` stays as it was given.
#[derive(Clone, Debug, Default)]
pub struct Built {
    /// Set: the code is not usable. With [`BrokenKind::Import`] the version is
    /// `ready` all the same, and calls answer `import_error`.
    pub broken: Option<BrokenKind>,
    pub entry_point: Option<EntryPoint>,
    /// JSON text, inferred; kept only where none was given.
    pub input_schema: Option<String>,
    /// JSON text, inferred; kept only where none was given.
    pub output_schema: Option<String>,
    /// Sealed; kept only where none was given.
    pub description: Option<Vec<u8>>,
    /// JSON text, sealed.
    pub reason: Option<Vec<u8>>,
    /// Sealed.
    pub import_log: Option<Vec<u8>>,
    pub single_use: Option<SingleUse>,
    /// What the requirements were resolved to; kept only where there was none.
    pub lock: Option<Lock>,
    /// Names of the environment that the import read.
    pub import_env: Vec<String>,
}

statements! {
    CLAIM = concat!("update versions v set build_owner = $1, build_lease_until = $3,
            build_attempts = v.build_attempts + 1
        where v.id = (select w.id from versions w
            where w.status = 'building' and ($4 or w.requirements = '{}')
                and (w.build_lease_until is null or w.build_lease_until <= $2)
            order by exists (select from versions o where o.account_id = w.account_id
                    and o.status = 'building' and o.build_lease_until > $2),
                w.created_at, w.id
            limit 1 for update skip locked)
        returning v.account_id, v.code, v.build_attempts,
            (select f.namespace_id from functions f where f.id = v.function_id) as namespace_id,
            (select a.plan from accounts a where a.id = v.account_id) as plan,
            (select l.text from locks l where l.digest = v.lock_digest) as lock_text, ",
        versions::columns!());
    RENEW = "update versions set build_lease_until = $3
        where id = $1 and build_owner = $2 and status = 'building'";
    RELEASE = "update versions set build_lease_until = null, build_owner = null,
            build_attempts = greatest(build_attempts - 1, 0)
        where id = $1 and build_owner = $2 and status = 'building'";
    KEEP_LOCK = "insert into locks (digest, text, created_at) values ($1, $2, $3)
        on conflict (digest) do nothing";
    FINISH = "update versions set
            status = case when $4::text is null or $4 = 'import' then 'ready' else 'broken' end,
            broken_kind = $4, entry_point = $5,
            schema_inferred = (input_schema is null and $6::text is not null),
            input_schema = coalesce(input_schema, $6),
            output_schema = coalesce(output_schema, $7),
            description = coalesce(description, $8), reason = $9, import_log = $10, single_use = $11,
            lock_digest = coalesce(lock_digest, $12),
            import_env = $13,
            built_at = $3, build_owner = null, build_lease_until = null
        where id = $1 and build_owner = $2 and status = 'building'
        returning function_id, number, status";
    MAKE_CURRENT = "update functions f set current_version_id = $2, updated_at = $4
        where f.id = $1 and not exists (select from versions c
            where c.id = f.current_version_id and c.number > $3)";
}

/// Claims the version that has waited longest, for as long as the lease says; one of an account
/// that has none being built goes first, so that one account's many keep nobody waiting.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn claim(
    client: &impl GenericClient,
    claim: &Claim,
) -> Result<Option<Building>, DbError> {
    let params: super::statement::Params<'_> = &[
        &claim.process.uuid(),
        &claim.now,
        &until(claim.now, claim.lease),
        &claim.with_packages,
    ];
    let Some(row) = CLAIM.row(client, params).await? else {
        return Ok(None);
    };
    Ok(Some(Building {
        account: id(&row, "account_id", AccountId::from_uuid)?,
        namespace: id(&row, "namespace_id", NamespaceId::from_uuid)?,
        version: versions::read(&row)?,
        code: get(&row, "code")?,
        lock_text: get(&row, "lock_text")?,
        plan: word(&row, "plan", Plan::parse)?,
        attempts: u32::try_from(get::<i16>(&row, "build_attempts")?).unwrap_or(0),
    }))
}

/// Keeps a claim until `now + lease`; `false` where it is no longer this process's.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn renew(
    client: &impl GenericClient,
    version: VersionId,
    process: ProcessId,
    now: Timestamp,
    lease: Duration,
) -> Result<bool, DbError> {
    let params: super::statement::Params<'_> =
        &[&version.uuid(), &process.uuid(), &until(now, lease)];
    Ok(RENEW.change(client, params).await? == 1)
}

/// Gives a claim back unbuilt, so that another may take it at once.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn release(
    client: &impl GenericClient,
    version: VersionId,
    process: ProcessId,
) -> Result<bool, DbError> {
    let params: super::statement::Params<'_> = &[&version.uuid(), &process.uuid()];
    Ok(RELEASE.change(client, params).await? == 1)
}

/// Ends a build, and makes the version current where it is ready and no newer one
/// is; announced at the commit. Gives `false`, and does nothing, where the claim
/// is no longer this process's.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn finish(
    client: &mut Client,
    version: VersionId,
    process: ProcessId,
    built: &Built,
    now: Timestamp,
) -> Result<bool, DbError> {
    let failed = DbError::of("finish a build");
    let transaction = client.transaction().await.map_err(&failed)?;
    if let Some(lock) = &built.lock {
        let params: super::statement::Params<'_> =
            &[&lock.digest.as_bytes().as_slice(), &lock.text, &now];
        KEEP_LOCK.change(&transaction, params).await?;
    }
    let row = FINISH
        .row(
            &transaction,
            &[
                &version.uuid(),
                &process.uuid(),
                &now,
                &built.broken.map(BrokenKind::as_str),
                &built.entry_point.map(EntryPoint::as_str),
                &built.input_schema,
                &built.output_schema,
                &built.description,
                &built.reason,
                &built.import_log,
                &built.single_use.map(SingleUse::as_str),
                &built
                    .lock
                    .as_ref()
                    .map(|lock| lock.digest.as_bytes().as_slice()),
                &built.import_env,
            ],
        )
        .await?;
    let Some(row) = row else {
        return Ok(false);
    };
    if get::<&str>(&row, "status")? == versions::Status::Ready.as_str() {
        let function = id(&row, "function_id", FunctionId::from_uuid)?;
        let number: i32 = get(&row, "number")?;
        MAKE_CURRENT
            .change(
                &transaction,
                &[&function.uuid(), &version.uuid(), &number, &now],
            )
            .await?;
    }
    transaction.commit().await.map_err(&failed)?;
    Ok(true)
}

fn until(now: Timestamp, lease: Duration) -> Timestamp {
    now.checked_add(lease).unwrap_or(Timestamp::MAX)
}
