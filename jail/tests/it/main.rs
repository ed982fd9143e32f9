//! Real sandboxes: nsjail, cgroups, Debian's Python.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod arguments;
mod bounds;
mod describe;
mod documented;
mod endings;
mod environment;
mod first;
mod hostile;
mod house;
mod imports;
mod layers;
mod lifetimes;
mod limits;
mod live;
mod logs;
mod modules;
mod network;
mod oracle;
mod pydantic;
mod results;
mod rights;
mod selftest;
mod spellings;
mod traces;
mod unified;
mod world;
