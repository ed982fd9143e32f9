//! All SQL, against the migrated database and as the services' own roles.

mod accounts;
mod announce;
mod builds;
mod days;
mod executions;
mod leader;
mod migrate;
mod namespaces;
mod needs;
mod processes;
mod publish;
mod retention;
mod rights;
mod schema;
mod secrets;
mod statements;
