//! Rules about the tree itself, and `ops/up` and `ops/down` as a person uses them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod tidy;
mod up;
