//! What every Patchbay service shares: the words (ids, names, states), the
//! queue, the database, the vault. No public HTTP and no jail in here.

pub mod backoff;
pub mod clock;
pub mod config;
pub mod entry;
pub mod execution;
pub mod ids;
pub mod limits;
pub mod names;
pub mod plan;
