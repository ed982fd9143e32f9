//! What every Patchbay service shares: the words (ids, names, states), the
//! queue, the database, the vault. No public HTTP and no jail in here.

pub mod accept;
#[cfg(feature = "admin")]
pub mod admin;
pub mod announce;
pub mod backoff;
pub mod clock;
pub mod config;
pub mod db;
pub mod entry;
pub mod execution;
pub mod ids;
pub mod json;
pub mod limits;
pub mod live_log;
pub mod membership;
pub mod metrics;
pub mod names;
pub mod network;
pub mod packages;
pub mod plan;
pub mod queue;
pub mod record;
pub mod rights;
pub mod source;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod vault;
