//! The record, against a real PostgreSQL and a real Redis.

mod accept;
mod door;
mod ending;
mod env;
mod given;
mod keys;
mod notes;
mod once;
mod outbox;
mod sweep;
