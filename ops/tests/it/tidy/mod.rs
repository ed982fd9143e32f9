//! Structural rules: what no reviewer should have to look for. Each was either
//! broken once or would be costly to find broken.

mod layout;
mod retention;
mod routes;
mod scripts;
mod security;
mod sql;
mod tree;
mod unsafe_code;
