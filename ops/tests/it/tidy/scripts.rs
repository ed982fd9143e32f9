//! Shell scripts: they parse, they stop at the first failure, they can be run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::tree::{Source, assert_none, checkout, files};

fn scripts() -> Vec<Source> {
    files(|path| path.starts_with("ops/") || path.starts_with(".ci/"))
        .into_iter()
        .filter(|source| {
            source.path.ends_with(".sh") || source.text.starts_with("#!/usr/bin/env bash")
        })
        .collect()
}

#[test]
fn every_script_parses() {
    let broken: Vec<String> = scripts()
        .iter()
        .filter_map(|source| {
            let parsed = Command::new("bash")
                .args(["-n", &source.path])
                .current_dir(checkout())
                .output()
                .unwrap();
            (!parsed.status.success()).then(|| String::from_utf8_lossy(&parsed.stderr).into_owned())
        })
        .collect();
    assert_none("scripts that bash can't parse", &broken);
}

#[test]
fn a_script_that_is_run_can_be_run_and_stops_at_the_first_failure() {
    let broken: Vec<String> = scripts()
        .iter()
        .filter(|source| source.text.starts_with("#!"))
        .filter(|source| {
            let mode = fs::metadata(checkout().join(&source.path))
                .unwrap()
                .permissions()
                .mode();
            mode & 0o111 == 0 || !source.text.contains("\nset -euo pipefail\n")
        })
        .map(|source| source.path.clone())
        .collect();
    assert_none(
        "scripts without the bit or without set -euo pipefail",
        &broken,
    );
}
