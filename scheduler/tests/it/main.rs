//! Integration tests against real servers; `ops/test` starts them.

mod duties;
mod first_start;
mod leaders;
mod loss;
mod membership;
mod stage;
mod steps;
