//! Who logs in.

use jiff::Timestamp;

use super::accounts::{self, AccountStatus, NewAccount};
use super::columns::{get, id, word};
use super::statement::statements;
use super::{Client, DbError, GenericClient};
use crate::ids::{AccountId, UserId};

/// Somebody who registers, and the account they get.
#[derive(Clone, Debug)]
pub struct NewUser<'a> {
    pub id: UserId,
    pub account: NewAccount<'a>,
    /// Trimmed, NFC, lower case.
    pub email_identity: &'a str,
    /// As typed.
    pub email: &'a str,
    pub name: Option<&'a str>,
    /// argon2id, PHC string.
    pub password_hash: &'a str,
    /// The address is known to be theirs already, as on one's own machine.
    pub verified: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    New,
    /// The address has a user; nothing was made.
    Taken,
}

/// What a login is checked against.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: UserId,
    pub account: AccountId,
    pub account_status: AccountStatus,
    pub password_hash: String,
    pub verified: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub name: Option<String>,
    pub email_verified_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

statements! {
    CREATE = "insert into users (id, email_identity, email, name, password_hash,
            email_verified_at, terms_accepted_at, created_at)
        values ($1, $2, $3, $4, $5, case when $6 then $7::timestamptz end, $7, $7)
        on conflict (email_identity) do nothing";
    JOIN = "insert into memberships (account_id, user_id, role, created_at)
        values ($1, $2, 'owner', $3)";
    LOGIN = "select u.id, u.password_hash, u.email_verified_at is not null as verified,
            a.id as account_id, a.status
        from users u
        join memberships m on m.user_id = u.id
        join accounts a on a.id = m.account_id
        where u.email_identity = $1
        order by m.created_at, a.id limit 1";
    FIND = "select u.id, u.email, u.name, u.email_verified_at, u.created_at
        from memberships m join users u on u.id = m.user_id
        where m.account_id = $1 and u.id = $2";
    VERIFY = "update users set email_verified_at = $2 where id = $1 and email_verified_at is null";
}

/// Makes account, user and membership, or nothing where the address is taken.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn register(client: &mut Client, user: &NewUser<'_>) -> Result<Registered, DbError> {
    let failed = DbError::of("register");
    let transaction = client.transaction().await.map_err(&failed)?;
    let now = user.account.now;
    let made = CREATE
        .change(
            &transaction,
            &[
                &user.id.uuid(),
                &user.email_identity,
                &user.email,
                &user.name,
                &user.password_hash,
                &user.verified,
                &now,
            ],
        )
        .await?;
    if made == 0 {
        return Ok(Registered::Taken);
    }
    accounts::create(&transaction, &user.account).await?;
    JOIN.change(
        &transaction,
        &[&user.account.id.uuid(), &user.id.uuid(), &now],
    )
    .await?;
    transaction.commit().await.map_err(&failed)?;
    Ok(Registered::New)
}

/// The user with this address, and the account they joined first. No tenant: it
/// is the login that finds it.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn login(
    client: &impl GenericClient,
    email_identity: &str,
) -> Result<Option<Login>, DbError> {
    let Some(row) = LOGIN.row(client, &[&email_identity]).await? else {
        return Ok(None);
    };
    Ok(Some(Login {
        user: id(&row, "id", UserId::from_uuid)?,
        account: id(&row, "account_id", AccountId::from_uuid)?,
        account_status: word(&row, "status", AccountStatus::parse)?,
        password_hash: get(&row, "password_hash")?,
        verified: get(&row, "verified")?,
    }))
}

/// A member of the account.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn find(
    client: &impl GenericClient,
    account: AccountId,
    user: UserId,
) -> Result<Option<User>, DbError> {
    let Some(row) = FIND.row(client, &[&account.uuid(), &user.uuid()]).await? else {
        return Ok(None);
    };
    Ok(Some(User {
        id: id(&row, "id", UserId::from_uuid)?,
        email: get(&row, "email")?,
        name: get(&row, "name")?,
        email_verified_at: get(&row, "email_verified_at")?,
        created_at: get(&row, "created_at")?,
    }))
}

/// Gives whether the address was not verified before.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn verify(
    client: &impl GenericClient,
    user: UserId,
    now: Timestamp,
) -> Result<bool, DbError> {
    Ok(VERIFY.change(client, &[&user.uuid(), &now]).await? == 1)
}
