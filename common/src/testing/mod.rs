//! What tests of every crate stand on: a database of one's own, servers that may be
//! killed, rows that are given, and waiting with a bound. Feature `testing`.
//!
//! Nothing here skips: where a server is missing the test fails and says how to
//! start it.
#![expect(clippy::unwrap_used, reason = "a test's preparation may fail the test")]

mod database;
pub mod given;
mod postgres;
mod queue;
mod redis_server;
pub mod search;

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::Instant;

pub use database::{KEK, Role, TestDatabase, database, database_on};
pub use postgres::PrivatePostgres;
pub use queue::{Queue, queue};
pub use redis_server::PrivateRedis;

use crate::clock::SystemClock;
use crate::config::Env;
use crate::ids::RequestId;

const START: &str = "start the servers: eval \"$(ops/test --servers)\"";

/// A variable that `ops/test` sets.
fn from_environment(name: &str) -> String {
    let value: Option<String> = Env::process().optional(name);
    value.unwrap_or_else(|| panic!("{name} is not set; {START}"))
}

/// Words that no other test has.
fn unique() -> String {
    let id = RequestId::new(&SystemClock).uuid().simple().to_string();
    id[16..].to_owned()
}

/// A prefix of Redis keys that no other test has.
#[must_use]
pub fn redis_prefix() -> String {
    format!("t{}:", unique())
}

/// Where the shared Redis of the test run is.
#[must_use]
pub fn redis_url() -> String {
    from_environment("PATCHBAY_TEST_REDIS_URL")
}

/// Looks again and again until `look` gives a value.
///
/// # Panics
/// After `bound`, with the last thing that was seen instead.
pub async fn wait_until<T, S: Debug>(
    what: &str,
    bound: Duration,
    mut look: impl AsyncFnMut() -> Result<T, S>,
) -> T {
    let started = Instant::now();
    loop {
        let seen = match look().await {
            Ok(value) => return value,
            Err(seen) => seen,
        };
        assert!(
            started.elapsed() < bound,
            "not within {bound:?}: {what}; last seen: {seen:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
