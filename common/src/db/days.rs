//! The day partitions of `executions`: making coming ones, dropping old ones.
//!
//! Both run as the owner inside the database, so that the scheduler needs no
//! right to drop a table.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::columns::get;
use super::statement::statements;
use super::{DbError, GenericClient};
use crate::limits;

statements! {
    MAKE = "select make_execution_day($1) as made";
    DROP = "select drop_execution_days($1) as dropped";
    TIME = "select clock_timestamp() as time";
}

/// Makes the partitions from yesterday to three days ahead that are missing;
/// gives how many they were.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn make_coming(client: &impl GenericClient, now: Timestamp) -> Result<u64, DbError> {
    let today = utc_day(now);
    let mut made = 0;
    for ahead in -limits::PARTITION_DAYS_BEHIND..=limits::PARTITION_DAYS_AHEAD {
        let day = today.saturating_add(ahead.days());
        let row = MAKE.one(client, &[&day]).await?;
        made += u64::from(get::<bool>(&row, "made")?);
    }
    Ok(made)
}

/// Drops the partitions whose last instant is more than
/// [`limits::EXECUTION_DAYS`] ago; gives how many they were.
///
/// # Errors
/// Where PostgreSQL does not answer, or a long reader keeps a partition locked.
pub async fn drop_old(client: &impl GenericClient, now: Timestamp) -> Result<u64, DbError> {
    let before = utc_day(now).saturating_sub(limits::EXECUTION_DAYS.days());
    let row = DROP.one(client, &[&before]).await?;
    Ok(u64::try_from(get::<i32>(&row, "dropped")?).unwrap_or(0))
}

/// PostgreSQL's own time: a second opinion before something is deleted for its age.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn server_time(client: &impl GenericClient) -> Result<Timestamp, DbError> {
    get(&TIME.one(client, &[]).await?, "time")
}

/// The UTC day of an instant.
#[must_use]
pub fn utc_day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}
