//! The api over its public listener, against real servers; `ops/test` starts them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod accounts;
mod cancel;
mod executions;
mod following;
mod functions;
mod idempotency;
mod kept;
mod lasting;
mod mcp;
mod network;
mod outages;
mod problems;
mod schemas;
mod secrets;
mod support;
mod unauthorised;
mod versions;
mod waiting;
