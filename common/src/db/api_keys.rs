//! With what programs come. The key's text is kept nowhere.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::accounts::{self, AccountStatus};
use super::columns::{get, id, word};
use super::statement::statements;
use super::{Client, DbError, GenericClient};
use crate::ids::{AccountId, ApiKeyId, NamespaceId, UserId};
use crate::limits;
use crate::plan::Plan;

#[derive(Clone, Debug)]
pub struct NewApiKey<'a> {
    pub id: ApiKeyId,
    pub created_by: Option<UserId>,
    pub name: &'a str,
    /// argon2id, PHC string.
    pub secret_hash: &'a str,
    pub scopes: &'a [String],
    /// `None` is everywhere in the account.
    pub namespaces: Option<&'a [NamespaceId]>,
    pub expires_at: Option<Timestamp>,
    pub now: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    Yes,
    /// The account has [`limits::API_KEYS_PER_ACCOUNT`] that are not revoked.
    TooMany,
    /// One of the namespaces is not the account's.
    NoSuchNamespace,
}

/// As its owner may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub name: String,
    pub scopes: Vec<String>,
    pub namespaces: Option<Vec<NamespaceId>>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

/// What a presented key is checked against, and what it may do.
#[derive(Clone, Debug)]
pub struct Presented {
    pub key: ApiKey,
    pub secret_hash: String,
    pub account: AccountId,
    pub account_status: AccountStatus,
    pub plan: Plan,
}

macro_rules! columns {
    () => {
        "k.id, k.name, k.scopes, k.namespaces, k.created_at, k.expires_at, k.revoked_at,
            k.last_used_at"
    };
}

statements! {
    COUNT = "select count(*) as keys from api_keys where account_id = $1 and revoked_at is null";
    FOREIGN = "select count(*) as foreign from unnest($2::uuid[]) as wanted (id)
        where not exists (select from namespaces n
            where n.id = wanted.id and n.account_id = $1 and n.deleted_at is null)";
    CREATE = "insert into api_keys (id, account_id, created_by, name, secret_hash, scopes,
            namespaces, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    PRESENTED = concat!("select ", columns!(), ", k.secret_hash, k.account_id, a.status, a.plan
        from api_keys k join accounts a on a.id = k.account_id
        where k.id = $1");
    FIND = concat!("select ", columns!(), " from api_keys k where k.account_id = $1 and k.id = $2");
    LIST = concat!("select ", columns!(), " from api_keys k
        where k.account_id = $1 and ($2::uuid is null or k.id < $2)
        order by k.id desc limit $3");
    REVOKE = "update api_keys set revoked_at = $3
        where account_id = $1 and id = $2 and revoked_at is null";
    USED = "update api_keys set last_used_at = $3
        where account_id = $1 and id = $2
            and (last_used_at is null or last_used_at < $3::timestamptz - interval '1 minute')";
}

/// Makes a key, exactly bounded in number.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn create(
    client: &mut Client,
    account: AccountId,
    key: &NewApiKey<'_>,
) -> Result<Created, DbError> {
    let failed = DbError::of("create an api key");
    let transaction = client.transaction().await.map_err(&failed)?;
    accounts::lock(&transaction, account).await?;
    let row = COUNT.one(&transaction, &[&account.uuid()]).await?;
    if get::<i64>(&row, "keys")? >= limits::API_KEYS_PER_ACCOUNT {
        return Ok(Created::TooMany);
    }
    let namespaces: Option<Vec<Uuid>> = key
        .namespaces
        .map(|all| all.iter().map(|one| one.uuid()).collect());
    if let Some(wanted) = &namespaces {
        let row = FOREIGN
            .one(&transaction, &[&account.uuid(), wanted])
            .await?;
        if get::<i64>(&row, "foreign")? > 0 {
            return Ok(Created::NoSuchNamespace);
        }
    }
    CREATE
        .change(
            &transaction,
            &[
                &key.id.uuid(),
                &account.uuid(),
                &key.created_by.map(UserId::uuid),
                &key.name,
                &key.secret_hash,
                &key.scopes,
                &namespaces,
                &key.now,
                &key.expires_at,
            ],
        )
        .await?;
    transaction.commit().await.map_err(&failed)?;
    Ok(Created::Yes)
}

/// A key by its public half, revoked and expired ones too. No tenant: the key
/// decides whose request it is.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn presented(
    client: &impl GenericClient,
    key: ApiKeyId,
) -> Result<Option<Presented>, DbError> {
    let Some(row) = PRESENTED.row(client, &[&key.uuid()]).await? else {
        return Ok(None);
    };
    Ok(Some(Presented {
        secret_hash: get(&row, "secret_hash")?,
        account: id(&row, "account_id", AccountId::from_uuid)?,
        account_status: word(&row, "status", AccountStatus::parse)?,
        plan: word(&row, "plan", Plan::parse)?,
        key: read(&row)?,
    }))
}

/// # Errors
/// Where PostgreSQL does not answer.
pub async fn find(
    client: &impl GenericClient,
    account: AccountId,
    key: ApiKeyId,
) -> Result<Option<ApiKey>, DbError> {
    let row = FIND.row(client, &[&account.uuid(), &key.uuid()]).await?;
    row.as_ref().map(read).transpose()
}

/// Newest first, revoked ones too.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn list(
    client: &impl GenericClient,
    account: AccountId,
    before: Option<ApiKeyId>,
    most: u32,
) -> Result<Vec<ApiKey>, DbError> {
    let before = before.map(ApiKeyId::uuid);
    let rows = LIST
        .rows(client, &[&account.uuid(), &before, &i64::from(most)])
        .await?;
    rows.iter().map(read).collect()
}

/// Revokes a key, which is announced at the commit. Gives `false` where there is
/// no such key or it was revoked before.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn revoke(
    client: &impl GenericClient,
    account: AccountId,
    key: ApiKeyId,
    now: Timestamp,
) -> Result<bool, DbError> {
    let params: super::statement::Params<'_> = &[&account.uuid(), &key.uuid(), &now];
    Ok(REVOKE.change(client, params).await? == 1)
}

/// Notes that a key was used, to the minute; announced to nobody.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn used(
    client: &impl GenericClient,
    account: AccountId,
    key: ApiKeyId,
    now: Timestamp,
) -> Result<(), DbError> {
    let params: super::statement::Params<'_> = &[&account.uuid(), &key.uuid(), &now];
    USED.change(client, params).await.map(|_| ())
}

fn read(row: &Row) -> Result<ApiKey, DbError> {
    let namespaces: Option<Vec<Uuid>> = get(row, "namespaces")?;
    Ok(ApiKey {
        id: id(row, "id", ApiKeyId::from_uuid)?,
        name: get(row, "name")?,
        scopes: get(row, "scopes")?,
        namespaces: namespaces.map(|all| all.into_iter().map(NamespaceId::from_uuid).collect()),
        created_at: get(row, "created_at")?,
        expires_at: get(row, "expires_at")?,
        revoked_at: get(row, "revoked_at")?,
        last_used_at: get(row, "last_used_at")?,
    })
}
