//! Real sandboxes: nsjail, cgroups, Debian's Python.

mod first;
mod world;
