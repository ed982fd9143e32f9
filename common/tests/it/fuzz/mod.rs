//! Random inputs for what reads strangers' texts, and what reads bytes back from Redis.

mod documents;
mod named;
mod schemas;
mod stored;
