//! Rules about the tree itself, and `ops/up` and `ops/down` as a person uses them.

mod tidy;
mod up;
