//! Shards of the queue and the generation each is certified under.

use jiff::Timestamp;

use super::columns::{big, get};
use super::statement::statements;
use super::{DbError, GenericClient};

/// The only partition until one Redis is full.
pub const FIRST: i16 = 0;

statements! {
    GENERATION = "select generation from partitions where id = $1";
    NEXT = "select nextval('generations') as generation";
    CHANGE = "select change_generation($1, $2, $3) as changed";
}

/// # Errors
/// Where PostgreSQL does not answer.
pub async fn generation(client: &impl GenericClient, partition: i16) -> Result<u64, DbError> {
    read(&GENERATION.one(client, &[&partition]).await?)
}

/// A generation higher than any before.
///
/// # Errors
/// Where PostgreSQL does not answer.
pub async fn next_generation(client: &impl GenericClient) -> Result<u64, DbError> {
    read(&NEXT.one(client, &[]).await?)
}

/// Closes the door to everything older: waits for all writers that are inside,
/// then raises the generation. `false` where it is as high already.
///
/// # Errors
/// Where PostgreSQL does not answer; it may have changed.
pub async fn change_generation(
    client: &impl GenericClient,
    partition: i16,
    next: u64,
    now: Timestamp,
) -> Result<bool, DbError> {
    get(
        &CHANGE.one(client, &[&partition, &big(next), &now]).await?,
        "changed",
    )
}

fn read(row: &tokio_postgres::Row) -> Result<u64, DbError> {
    u64::try_from(get::<i64>(row, "generation")?).map_err(|_| DbError::column("generation"))
}
