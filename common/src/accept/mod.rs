//! (being laid)
pub mod period;
pub mod schema;
