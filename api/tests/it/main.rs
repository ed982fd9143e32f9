//! The api over its public listener, against real servers; `ops/test` starts them.

mod mcp;
mod support;
mod unauthorised;
