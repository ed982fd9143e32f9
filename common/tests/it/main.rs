//! Integration tests against real servers; `ops/test` starts them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod db;
mod fuzz;
mod queue;
mod record;
mod vault;
