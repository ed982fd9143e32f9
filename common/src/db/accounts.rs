//! Who pays and owns.

use jiff::Timestamp;
use jiff::civil::Date;

use super::columns::{get, id, word};
use super::statement::statements;
use super::{DbError, GenericClient};
use crate::ids::AccountId;
use crate::plan::Plan;

/// Whether an account may do anything at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    Active,
    Suspended,
}

impl AccountStatus {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "active" => Some(Self::Active),
            "suspended" => Some(Self::Suspended),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct NewAccount<'a> {
    pub id: AccountId,
    pub name: &'a str,
    pub plan: Plan,
    pub now: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub name: String,
    pub plan: Plan,
    pub status: AccountStatus,
    /// UTC day whose day of the month begins each quota period.
    pub period_anchor: Date,
    /// A user of it has shown that the email address is theirs.
    pub verified: bool,
    pub created_at: Timestamp,
}

statements! {
    CREATE = "insert into accounts (id, name, plan, period_anchor, created_at)
        values ($1, $2, $3, ($4 at time zone 'UTC')::date, $4)";
    FIND = "select id, name, plan, status, period_anchor, created_at,
            exists (select from memberships m join users u on u.id = m.user_id
                where m.account_id = accounts.id and u.email_verified_at is not null) as verified
        from accounts where id = $1";
    RENAME = "update accounts set name = $2 where id = $1";
    SET_PLAN = "update accounts set plan = $2 where id = $1 and plan <> $2";
    SET_STATUS = "update accounts set status = $2 where id = $1 and status <> $2";
    LOCK = "select id from accounts where id = $1 for no key update";
}

/// Makes an account whose periods begin on the day of `now`.
///
/// # Errors
/// Where PostgreSQL does not take it.
pub async fn create(client: &impl GenericClient, account: &NewAccount<'_>) -> Result<(), DbError> {
    CREATE
        .change(
            client,
            &[
                &account.id.uuid(),
                &account.name,
                &account.plan.as_str(),
                &account.now,
            ],
        )
        .await
        .map(|_| ())
}

/// # Errors
/// Where PostgreSQL does not answer.
pub async fn find(
    client: &impl GenericClient,
    account: AccountId,
) -> Result<Option<Account>, DbError> {
    let Some(row) = FIND.row(client, &[&account.uuid()]).await? else {
        return Ok(None);
    };
    Ok(Some(Account {
        id: id(&row, "id", AccountId::from_uuid)?,
        name: get(&row, "name")?,
        plan: word(&row, "plan", Plan::parse)?,
        status: word(&row, "status", AccountStatus::parse)?,
        period_anchor: get(&row, "period_anchor")?,
        verified: get(&row, "verified")?,
        created_at: get(&row, "created_at")?,
    }))
}

/// Gives `false` where there is no such account.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn rename(
    client: &impl GenericClient,
    account: AccountId,
    name: &str,
) -> Result<bool, DbError> {
    Ok(RENAME.change(client, &[&account.uuid(), &name]).await? == 1)
}

/// Gives whether it changed.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn set_plan(
    client: &impl GenericClient,
    account: AccountId,
    plan: Plan,
) -> Result<bool, DbError> {
    let params: super::statement::Params<'_> = &[&account.uuid(), &plan.as_str()];
    Ok(SET_PLAN.change(client, params).await? == 1)
}

/// Gives whether it changed.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn set_status(
    client: &impl GenericClient,
    account: AccountId,
    status: AccountStatus,
) -> Result<bool, DbError> {
    let params: super::statement::Params<'_> = &[&account.uuid(), &status.as_str()];
    Ok(SET_STATUS.change(client, params).await? == 1)
}

/// Keeps others who would count and insert for this account waiting until the
/// transaction ends: so a bound on rows is exact.
pub(super) async fn lock(client: &impl GenericClient, account: AccountId) -> Result<bool, DbError> {
    Ok(LOCK.row(client, &[&account.uuid()]).await?.is_some())
}
