//! The public interface: REST (and MCP) in front of [`common::accept`].
//!
//! Stateless: any number of these processes, any of them answers any poll. What they
//! remember of PostgreSQL is dropped when a change is announced (`app`); who waits
//! for an execution is woken through Redis.
//!
//! A request goes `server` → `front` (id, metrics, problems) → `routes` (one list) →
//! `call` (who asks, may they) → a function of `routes/<noun>/<verb>.rs`.

mod app;
mod body;
mod cache;
mod call;
mod caller;
mod config;
mod environment;
mod execution;
mod fault;
mod fields;
mod front;
mod hearing;
mod lent;
mod mcp;
mod network;
mod paging;
mod prefer;
mod problem;
mod publishing;
mod query;
mod rate_limit;
mod request_id;
mod requirements;
pub mod routes;
mod scope;
mod secrets;
mod serve;
mod server;
mod targets;

pub use config::Config;
pub use scope::Scope;
pub use serve::{RunError, Started, bind, run};
