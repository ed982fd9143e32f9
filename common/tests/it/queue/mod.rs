//! The scripts of the queue, each against a real Redis.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what must not fail may stop it"
)]

mod accept;
mod backlog;
mod cancel;
mod damaged;
mod duty;
mod erase;
mod events;
mod fencing;
mod finish;
mod given;
mod lease;
mod log;
mod loss;
mod mending;
mod model;
mod numbers;
mod random;
mod recovery;
mod watch;
