//! What `ops/test hostile` prints: a line of each program that has run, as it ran.

use std::fs;
use std::path::PathBuf;

use super::case::{Case, Named};

/// A file a program, so that tests of several processes don't write over each other.
#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by its environment where its line goes"
)]
fn place() -> Option<PathBuf> {
    std::env::var_os("PATCHBAY_HOSTILE_LINES").map(PathBuf::from)
}

/// After everything about it was asserted. `sandboxes` of the tenant, one where none was spent.
pub(super) fn tell(named: &Named, case: &Case, sandboxes: u32) {
    let Some(place) = place() else { return };
    let same = if sandboxes > 1 {
        "well, in a new one"
    } else {
        "well, in the same"
    };
    let mutations: Vec<&str> = case
        .mutations
        .iter()
        .map(|mutation| mutation.says)
        .collect();
    let line = [
        named.group,
        named.program,
        named.says("Tries: ").unwrap(),
        named.says("Meets: ").unwrap(),
        same,
        "well",
        &mutations.join("; "),
    ];
    let name = format!("{}.{}", named.group, named.program);
    fs::write(place.join(name), line.join("\t") + "\n").unwrap();
}
