//! All SQL there is, one file per noun.
//!
//! Every statement stands in its file's registry with a name ([`statement`]), so
//! that a test prepares each against the migrated database and errors say which
//! one failed. The tenant is the first parameter of every read that a client's
//! request leads to; reads without one say whose they are (a login, a recovery).
//!
//! Functions take a client or a transaction. State changes are guarded in their
//! `where` and tell what they did.

pub mod accounts;
pub mod api_keys;
pub mod builds;
mod columns;
mod connect;
pub mod data_keys;
pub mod days;
mod error;
pub mod executions;
pub mod functions;
pub mod idempotency;
pub mod leader;
pub mod migrate;
pub mod namespaces;
pub mod partitions;
pub mod processes;
pub mod publish;
pub(crate) mod recording;
pub mod recovering;
pub mod refresh_tokens;
pub mod retention;
pub mod secrets;
pub mod statement;
pub mod usage;
pub mod users;
pub mod versions;

pub use connect::Database;
pub(crate) use connect::settings;
pub use error::DbError;

/// A pooled connection. Functions here take it, or a transaction of it.
pub type Client = deadpool_postgres::Client;
pub use deadpool_postgres::{GenericClient, Transaction};
