//! Executions charged, by the UTC day of their ids.

use jiff::civil::Date;

use super::columns::{get, id};
use super::statement::statements;
use super::{DbError, GenericClient};
use crate::ids::AccountId;

/// What one account was charged on one day, and the day its periods are computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charged {
    pub account: AccountId,
    pub period_anchor: Date,
    pub day: Date,
    pub accepted: u64,
}

statements! {
    SINCE = "select u.account_id, a.period_anchor, u.day, u.accepted
        from usage_daily u join accounts a on a.id = u.account_id
        where u.day >= $1 and (u.account_id, u.day) > ($2, $3)
        order by u.account_id, u.day limit $4";
    PERIODS = "select id, period_anchor from accounts where id = any ($1)";
}

/// A page of what all accounts were charged since a day, for a recovery that
/// rebuilds every quota. Start with `None`; go on after the last row until a page
/// is empty.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn since(
    client: &impl GenericClient,
    from: Date,
    after: Option<(AccountId, Date)>,
    most: u32,
) -> Result<Vec<Charged>, DbError> {
    let (account, day) = after.map_or((uuid::Uuid::nil(), from), |(account, day)| {
        (account.uuid(), day)
    });
    let rows = SINCE
        .rows(client, &[&from, &account, &day, &i64::from(most)])
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Charged {
                account: id(row, "account_id", AccountId::from_uuid)?,
                period_anchor: get(row, "period_anchor")?,
                day: get(row, "day")?,
                accepted: accepted(row)?,
            })
        })
        .collect()
}

/// The days from which the periods of these accounts are computed.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn periods(
    client: &impl GenericClient,
    accounts: &[AccountId],
) -> Result<Vec<(AccountId, Date)>, DbError> {
    let ids: Vec<_> = accounts.iter().map(|account| account.uuid()).collect();
    let rows = PERIODS.rows(client, &[&ids]).await?;
    rows.iter()
        .map(|row| {
            Ok((
                id(row, "id", AccountId::from_uuid)?,
                get(row, "period_anchor")?,
            ))
        })
        .collect()
}

fn accepted(row: &tokio_postgres::Row) -> Result<u64, DbError> {
    u64::try_from(get::<i64>(row, "accepted")?).map_err(|_| DbError::column("accepted"))
}
