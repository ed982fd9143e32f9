//! How long each table's rows are kept, and purging what is older.
//!
//! Every table has a rule here; a test fails where one has none.

use jiff::{Timestamp, ToSpan as _};

use super::statement::{Statement, statements};
use super::{DbError, GenericClient};
use crate::limits;

/// Why a table's rows go.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// With their day: the partition is dropped (`days`).
    Partition,
    /// A statement deletes a batch of what is past the rule's time.
    Purge(&'static Purge),
    /// With the account, whose deletion takes them along.
    WithAccount,
    /// Nobody's personal data, and a fixed number of rows.
    Kept,
    /// Removed by the process they describe, or by the recovery that finds it dead.
    Process,
}

/// What is deleted, some at a time.
#[derive(Clone, Copy, Debug)]
pub struct Purge {
    statement: Statement,
    /// Days after which it goes.
    days: i64,
}

statements! {
    KEYS = "delete from idempotency_keys where (account_id, key_hash) in (
        select account_id, key_hash from idempotency_keys where expires_at < $1 limit $2)";
    TOKENS = "delete from refresh_tokens where token_hash in (
        select token_hash from refresh_tokens where expires_at < $1 limit $2)";
    API_KEYS = "delete from api_keys where id in (
        select id from api_keys where revoked_at < $1 or expires_at < $1 limit $2)";
    USAGE = "delete from usage_daily where (account_id, day) in (
        select account_id, day from usage_daily
        where day < ($1::timestamptz at time zone 'UTC')::date limit $2)";
    VERSIONS = "delete from versions where id in (
        select v.id from versions v join functions f on f.id = v.function_id
        where f.deleted_at < $1 limit $2)";
    FUNCTIONS = "delete from functions where id in (
        select f.id from functions f where f.deleted_at < $1 limit $2)";
    LOCKS = "delete from locks where digest in (
        select l.digest from locks l where l.created_at < $1
            and not exists (select from versions v where v.lock_digest = l.digest) limit $2)";
    NAMESPACES = "delete from namespaces where id in (
        select n.id from namespaces n where n.deleted_at < $1 limit $2)";
}

/// The rule of every table.
pub const RULES: &[(&str, Rule)] = &[
    ("accounts", Rule::WithAccount),
    ("users", Rule::WithAccount),
    ("memberships", Rule::WithAccount),
    (
        "refresh_tokens",
        purge(&Purge {
            statement: TOKENS,
            days: 1,
        }),
    ),
    (
        "api_keys",
        purge(&Purge {
            statement: API_KEYS,
            days: 30,
        }),
    ),
    (
        "namespaces",
        purge(&Purge {
            statement: NAMESPACES,
            days: limits::EXECUTION_DAYS + 1,
        }),
    ),
    (
        "functions",
        purge(&Purge {
            statement: FUNCTIONS,
            days: limits::EXECUTION_DAYS + 1,
        }),
    ),
    // Long enough for what was queued when the function was deleted.
    (
        "versions",
        purge(&Purge {
            statement: VERSIONS,
            days: 1,
        }),
    ),
    // Nobody's personal data; goes with the last version that has it.
    (
        "locks",
        purge(&Purge {
            statement: LOCKS,
            days: 1,
        }),
    ),
    // They also go with their namespace, at once.
    ("secrets", Rule::WithAccount),
    ("executions", Rule::Partition),
    (
        "idempotency_keys",
        purge(&Purge {
            statement: KEYS,
            days: 0,
        }),
    ),
    (
        "usage_daily",
        purge(&Purge {
            statement: USAGE,
            days: 800,
        }),
    ),
    ("partitions", Rule::Kept),
    ("processes", Rule::Process),
    ("leadership", Rule::Kept),
    // In the keys database; without it nothing of the account can be read again.
    ("data_keys", Rule::WithAccount),
    ("schema_migrations", Rule::Kept),
];

const fn purge(purge: &'static Purge) -> Rule {
    Rule::Purge(purge)
}

/// Rows one statement deletes at most, so that none locks for long.
pub const BATCH: i64 = 1_000;

/// Deletes one batch of every table that is purged; gives how many rows went, and
/// whether some table may have more.
///
/// # Errors
/// Where PostgreSQL does not answer. What was deleted stays deleted.
pub async fn purge_some(
    client: &impl GenericClient,
    now: Timestamp,
) -> Result<(u64, bool), DbError> {
    let (mut gone, mut more) = (0, false);
    for (_, rule) in RULES {
        let Rule::Purge(purge) = rule else { continue };
        let before = now.checked_sub((24 * purge.days).hours()).unwrap_or(now);
        let deleted = purge.statement.change(client, &[&before, &BATCH]).await?;
        more |= deleted >= u64::try_from(BATCH).unwrap_or(u64::MAX);
        gone += deleted;
    }
    Ok((gone, more))
}
