//! A namespace's environment values: set, listed by name, deleted, and read by workers.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::columns::{NUL, big, get, id};
use super::statement::statements;
use super::{Client, DbError, GenericClient};
use crate::ids::{AccountId, NamespaceId, SecretId};
use crate::limits;
use crate::names::EnvName;

/// One to be set. Each value has an id of its own, under which it is sealed.
#[derive(Clone, Copy, Debug)]
pub struct NewSecret<'a> {
    pub id: SecretId,
    pub namespace: NamespaceId,
    pub name: &'a EnvName,
    /// Sealed.
    pub value: &'a [u8],
    pub now: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    Created(Secret),
    Replaced(Secret),
    NoNamespace,
    TooMany,
    /// All of a namespace together.
    TooLarge,
}

/// What may be shown of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    pub name: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A value for a worker.
#[derive(Clone, Debug)]
pub struct Sealed {
    pub id: SecretId,
    pub name: String,
    pub value: Vec<u8>,
}

statements! {
    // Who sets one in the same namespace waits: the bounds are exact.
    LOCK = "select id from namespaces
        where account_id = $1 and id = $2 and deleted_at is null for no key update";
    OTHERS = "select count(*) as secrets, coalesce(sum(octet_length(value)), 0)::bigint as bytes
        from secrets where account_id = $1 and namespace_id = $2 and name <> $3";
    SET = "insert into secrets as s
            (id, account_id, namespace_id, name, value, created_at, updated_at)
        values ($3, $1, $2, $4, $5, $6, $6)
        on conflict (namespace_id, name) do update
            set id = excluded.id, value = excluded.value, updated_at = excluded.updated_at
        returning s.name, s.created_at, s.updated_at, (s.xmax = 0) as created";
    FIND = "select name, created_at, updated_at from secrets
        where account_id = $1 and namespace_id = $2 and name = $3";
    LIST = "select name, created_at, updated_at from secrets
        where account_id = $1 and namespace_id = $2 and ($3::text is null or name > $3)
        order by name limit $4";
    NAMES = "select name from secrets where account_id = $1 and namespace_id = $2
        order by name limit $3";
    DELETE = "delete from secrets where account_id = $1 and namespace_id = $2 and name = $3";
    SEALED = "select id, name, value from secrets
        where account_id = $1 and namespace_id = $2 and name = any ($3::text[])
        order by name limit $4";
}

/// Sets a value, whether or not the name had one.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn set(
    client: &mut Client,
    account: AccountId,
    secret: &NewSecret<'_>,
) -> Result<Set, DbError> {
    let failed = DbError::of("set a secret");
    let transaction = client.transaction().await.map_err(&failed)?;
    let (account, namespace) = (account.uuid(), secret.namespace.uuid());
    let name = secret.name.as_str();
    let locked = LOCK.row(&transaction, &[&account, &namespace]).await?;
    if locked.is_none() {
        return Ok(Set::NoNamespace);
    }
    let others = OTHERS
        .one(&transaction, &[&account, &namespace, &name])
        .await?;
    if get::<i64>(&others, "secrets")? >= limits::SECRETS_PER_NAMESPACE {
        return Ok(Set::TooMany);
    }
    let bytes = get::<i64>(&others, "bytes")?;
    if bytes.saturating_add(big(secret.value.len() as u64)) > limits::SECRETS_BYTES {
        return Ok(Set::TooLarge);
    }
    let params: super::statement::Params<'_> = &[
        &account,
        &namespace,
        &secret.id.uuid(),
        &name,
        &secret.value,
        &secret.now,
    ];
    let row = SET.one(&transaction, params).await?;
    let set = if get(&row, "created")? {
        Set::Created(read(&row)?)
    } else {
        Set::Replaced(read(&row)?)
    };
    transaction.commit().await.map_err(&failed)?;
    Ok(set)
}

/// # Errors
/// Where PostgreSQL does not answer.
pub async fn find(
    client: &impl GenericClient,
    account: AccountId,
    namespace: NamespaceId,
    name: &EnvName,
) -> Result<Option<Secret>, DbError> {
    let params: super::statement::Params<'_> =
        &[&account.uuid(), &namespace.uuid(), &name.as_str()];
    FIND.row(client, params)
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// By name.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn list(
    client: &impl GenericClient,
    account: AccountId,
    namespace: NamespaceId,
    after: Option<&str>,
    most: u32,
) -> Result<Vec<Secret>, DbError> {
    // No name has one, and PostgreSQL can't be asked with it.
    let after = after.filter(|after| !after.contains(NUL));
    let params: super::statement::Params<'_> =
        &[&account.uuid(), &namespace.uuid(), &after, &i64::from(most)];
    LIST.rows(client, params).await?.iter().map(read).collect()
}

/// Which there are.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn names(
    client: &impl GenericClient,
    account: AccountId,
    namespace: NamespaceId,
) -> Result<Vec<String>, DbError> {
    let params: super::statement::Params<'_> = &[
        &account.uuid(),
        &namespace.uuid(),
        &limits::SECRETS_PER_NAMESPACE,
    ];
    let rows = NAMES.rows(client, params).await?;
    rows.iter().map(|row| get(row, "name")).collect()
}

/// Gives `false` where there is none of that name.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn delete(
    client: &impl GenericClient,
    account: AccountId,
    namespace: NamespaceId,
    name: &EnvName,
) -> Result<bool, DbError> {
    let params: super::statement::Params<'_> =
        &[&account.uuid(), &namespace.uuid(), &name.as_str()];
    Ok(DELETE.change(client, params).await? == 1)
}

/// The values of those names that have one, sealed.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn sealed(
    client: &impl GenericClient,
    account: AccountId,
    namespace: NamespaceId,
    names: &[&String],
) -> Result<Vec<Sealed>, DbError> {
    let params: super::statement::Params<'_> = &[
        &account.uuid(),
        &namespace.uuid(),
        &names,
        &limits::SECRETS_PER_NAMESPACE,
    ];
    let rows = SEALED.rows(client, params).await?;
    let read = |row: &Row| {
        Ok(Sealed {
            id: id(row, "id", SecretId::from_uuid)?,
            name: get(row, "name")?,
            value: get(row, "value")?,
        })
    };
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Secret, DbError> {
    Ok(Secret {
        name: get(row, "name")?,
        created_at: get(row, "created_at")?,
        updated_at: get(row, "updated_at")?,
    })
}
