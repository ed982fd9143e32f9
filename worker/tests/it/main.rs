//! The worker against real Redis, PostgreSQL and nsjail, as a process of its own.

mod rig;

mod builds;
mod calls;
mod host;
mod odd;
mod servers;
mod survives;
