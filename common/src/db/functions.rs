//! Names under which versions are published, as lists and pages show them.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::columns::{NUL, get, id};
use super::statement::statements;
use super::versions::{self, Version};
use super::{DbError, GenericClient};
use crate::ids::{AccountId, FunctionId, NamespaceId};

/// A function and the version that a call without a number runs: the current
/// one, else (none was ever ready) the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub id: FunctionId,
    pub namespace: NamespaceId,
    pub name: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: Version,
}

macro_rules! shown {
    ($rest:literal) => {
        concat!(
            "select f.namespace_id, f.name, f.created_at as function_created_at, f.updated_at, ",
            versions::columns!(),
            " from functions f
            join versions v on v.id = coalesce(f.current_version_id,
                (select w.id from versions w where w.function_id = f.id
                    order by w.number desc limit 1))
            where f.account_id = $1 and f.namespace_id = $2 and f.deleted_at is null ",
            $rest
        )
    };
}

statements! {
    FIND = shown!("and f.name = $3");
    LIST = shown!("and ($3::text is null or $3 = any (v.tags)) and ($4::text is null or f.name > $4)
        order by f.name limit $5");
    COUNT = "select count(*) as functions from functions
        where account_id = $1 and deleted_at is null";
    DELETE = "update functions set deleted_at = $3
        where account_id = $1 and id = $2 and deleted_at is null";
}

/// # Errors
/// Where PostgreSQL does not answer.
pub async fn find(
    client: &impl GenericClient,
    account: AccountId,
    namespace: NamespaceId,
    name: &str,
) -> Result<Option<Function>, DbError> {
    if name.contains(NUL) {
        return Ok(None);
    }
    let row = FIND
        .row(client, &[&account.uuid(), &namespace.uuid(), &name])
        .await?;
    row.as_ref().map(read).transpose()
}

/// Which functions a list shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    pub tag: Option<&'a str>,
    /// The name the last page ended with.
    pub after: Option<&'a str>,
}

/// By name.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn list(
    client: &impl GenericClient,
    account: AccountId,
    namespace: NamespaceId,
    filter: Filter<'_>,
    most: u32,
) -> Result<Vec<Function>, DbError> {
    let rows = LIST
        .rows(
            client,
            &[
                &account.uuid(),
                &namespace.uuid(),
                &filter.tag,
                &filter.after,
                &i64::from(most),
            ],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// How many functions an account has.
pub(super) async fn counted(
    client: &impl GenericClient,
    account: AccountId,
) -> Result<i64, DbError> {
    get(&COUNT.one(client, &[&account.uuid()]).await?, "functions")
}

/// Deletes a function; its name is free at once, what is queued still runs.
/// Gives `false` where there is no such function.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn delete(
    client: &impl GenericClient,
    account: AccountId,
    function: FunctionId,
    now: Timestamp,
) -> Result<bool, DbError> {
    let params: super::statement::Params<'_> = &[&account.uuid(), &function.uuid(), &now];
    Ok(DELETE.change(client, params).await? == 1)
}

fn read(row: &Row) -> Result<Function, DbError> {
    let version = versions::read(row)?;
    Ok(Function {
        id: version.function,
        namespace: id(row, "namespace_id", NamespaceId::from_uuid)?,
        name: get(row, "name")?,
        created_at: get(row, "function_created_at")?,
        updated_at: get(row, "updated_at")?,
        version,
    })
}
