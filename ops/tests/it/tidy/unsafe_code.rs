//! `unsafe` is in two places: `jail/src/sys`, and the runner inside the sandbox.

use super::tree::{assert_none, rust};

fn may_be_unsafe(path: &str) -> bool {
    path == "jail/src/sys.rs"
        || path.starts_with("jail/src/sys/")
        || path.starts_with("jail/runner/")
}

#[test]
fn unsafe_is_written_in_two_places() {
    let mut broken = Vec::new();
    for source in rust() {
        if may_be_unsafe(&source.path) {
            continue;
        }
        for (at, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == KEYWORD)
                && !code.contains('"')
            {
                broken.push(format!("{}:{}: {}", source.path, at + 1, line.trim()));
            }
        }
    }
    assert_none("unsafe outside jail/src/sys and jail/runner", &broken);
}

const KEYWORD: &str = concat!("un", "safe");
