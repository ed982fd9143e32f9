//! Integration tests against real servers; `ops/test` starts them.

mod db;
mod queue;
mod record;
mod vault;
