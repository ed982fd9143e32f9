//! (being laid)
pub mod schema;
