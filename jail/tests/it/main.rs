//! Real sandboxes: nsjail, cgroups, Debian's Python.

mod arguments;
mod bounds;
mod describe;
mod endings;
mod first;
mod hostile;
mod house;
mod logs;
mod modules;
mod results;
mod world;
