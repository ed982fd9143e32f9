//! The worker against real Redis, PostgreSQL and nsjail, as a process of its own.
#![expect(clippy::unwrap_used, reason = "what a test prepares may fail the test")]

mod rig;

mod builds;
mod calls;
mod check_host;
mod documented;
mod environment;
mod following;
mod host;
mod network;
mod odd;
mod packages;
mod plans;
mod servers;
mod soak;
mod survives;
