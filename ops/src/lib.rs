//! What the scripts of `ops/` leave to a program: all that needs the database or
//! HTTP. Each script is readable by itself; this crate is its right hand.

pub mod bench;
pub mod up;
