//! Where functions live.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::accounts;
use super::columns::{NUL, get, id};
use super::statement::statements;
use super::{Client, DbError, GenericClient};
use crate::ids::{AccountId, NamespaceId};
use crate::names::NamespaceName;

#[derive(Clone, Debug)]
pub struct NewNamespace<'a> {
    pub id: NamespaceId,
    pub name: &'a NamespaceName,
    /// Sealed.
    pub description: Option<&'a [u8]>,
    /// Namespaces the account may have.
    pub most: Option<u32>,
    pub now: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    Yes,
    /// Somebody has the name.
    Taken,
    TooMany,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    pub id: NamespaceId,
    pub name: String,
    /// Sealed.
    pub description: Option<Vec<u8>>,
    pub created_at: Timestamp,
}

statements! {
    COUNT = "select count(*) as namespaces from namespaces
        where account_id = $1 and deleted_at is null";
    CREATE = "insert into namespaces (id, account_id, name, description, created_at)
        values ($1, $2, $3, $4, $5)
        on conflict (name) where deleted_at is null do nothing";
    FIND = "select id, name, description, created_at from namespaces
        where account_id = $1 and name = $2 and deleted_at is null";
    LIST = "select id, name, description, created_at from namespaces
        where account_id = $1 and deleted_at is null and ($2::text is null or name > $2)
        order by name limit $3";
    DESCRIBE = "update namespaces set description = $3
        where account_id = $1 and id = $2 and deleted_at is null";
    DELETE = "update namespaces set deleted_at = $3
        where account_id = $1 and id = $2 and deleted_at is null";
    DELETE_SECRETS = "delete from secrets where account_id = $1 and namespace_id = $2";
    DELETE_FUNCTIONS = "update functions set deleted_at = $3
        where account_id = $1 and namespace_id = $2 and deleted_at is null";
}

/// Makes a namespace, exactly bounded in number.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn create(
    client: &mut Client,
    account: AccountId,
    namespace: &NewNamespace<'_>,
) -> Result<Created, DbError> {
    let failed = DbError::of("create a namespace");
    let transaction = client.transaction().await.map_err(&failed)?;
    accounts::lock(&transaction, account).await?;
    let row = COUNT.one(&transaction, &[&account.uuid()]).await?;
    let there = get::<i64>(&row, "namespaces")?;
    if namespace.most.is_some_and(|most| there >= i64::from(most)) {
        return Ok(Created::TooMany);
    }
    let made = CREATE
        .change(
            &transaction,
            &[
                &namespace.id.uuid(),
                &account.uuid(),
                &namespace.name.as_str(),
                &namespace.description,
                &namespace.now,
            ],
        )
        .await?;
    if made == 0 {
        return Ok(Created::Taken);
    }
    transaction.commit().await.map_err(&failed)?;
    Ok(Created::Yes)
}

/// # Errors
/// Where PostgreSQL does not answer.
pub async fn find(
    client: &impl GenericClient,
    account: AccountId,
    name: &str,
) -> Result<Option<Namespace>, DbError> {
    if name.contains(NUL) {
        return Ok(None);
    }
    let row = FIND.row(client, &[&account.uuid(), &name]).await?;
    row.as_ref().map(read).transpose()
}

/// By name.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn list(
    client: &impl GenericClient,
    account: AccountId,
    after: Option<&str>,
    most: u32,
) -> Result<Vec<Namespace>, DbError> {
    let rows = LIST
        .rows(client, &[&account.uuid(), &after, &i64::from(most)])
        .await?;
    rows.iter().map(read).collect()
}

/// Changes the description; gives `false` where there is no such namespace.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn describe(
    client: &impl GenericClient,
    account: AccountId,
    namespace: NamespaceId,
    description: Option<&[u8]>,
) -> Result<bool, DbError> {
    let params: super::statement::Params<'_> = &[&account.uuid(), &namespace.uuid(), &description];
    Ok(DESCRIBE.change(client, params).await? == 1)
}

/// Deletes a namespace and its functions; their names are free at once, what is
/// queued still runs. Gives `false` where there is no such namespace.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn delete(
    client: &mut Client,
    account: AccountId,
    namespace: NamespaceId,
    now: Timestamp,
) -> Result<bool, DbError> {
    let failed = DbError::of("delete a namespace");
    let transaction = client.transaction().await.map_err(&failed)?;
    let (account, namespace) = (account.uuid(), namespace.uuid());
    let params: super::statement::Params<'_> = &[&account, &namespace, &now];
    if DELETE.change(&transaction, params).await? == 0 {
        return Ok(false);
    }
    DELETE_FUNCTIONS.change(&transaction, params).await?;
    DELETE_SECRETS
        .change(&transaction, &[&account, &namespace])
        .await?;
    transaction.commit().await.map_err(&failed)?;
    Ok(true)
}

fn read(row: &Row) -> Result<Namespace, DbError> {
    Ok(Namespace {
        id: id(row, "id", NamespaceId::from_uuid)?,
        name: get(row, "name")?,
        description: get(row, "description")?,
        created_at: get(row, "created_at")?,
    })
}
