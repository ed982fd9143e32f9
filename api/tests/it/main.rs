//! The api over its public listener, against real servers; `ops/test` starts them.

mod accounts;
mod cancel;
mod executions;
mod functions;
mod idempotency;
mod mcp;
mod outages;
mod problems;
mod support;
mod unauthorised;
mod waiting;
