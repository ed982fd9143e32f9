//! Integration tests against real servers; `ops/test` starts them.
#![expect(clippy::unwrap_used, reason = "a test's preparation may fail the test")]

mod duties;
mod first_start;
mod leaders;
mod loss;
mod membership;
mod stage;
mod steps;
