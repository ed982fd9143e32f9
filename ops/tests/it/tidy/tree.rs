//! The files of this checkout, as git sees them: committed ones and new ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file and its text.
pub(super) struct Source {
    /// Below the checkout.
    pub(super) path: String,
    pub(super) text: String,
}

pub(super) fn checkout() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap().to_owned()
}

/// Text files for which `wanted` holds; never none, or the rule looks at nothing.
pub(super) fn files(wanted: impl Fn(&str) -> bool) -> Vec<Source> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(checkout())
        .output()
        .unwrap();
    assert!(listed.status.success(), "git ls-files: {listed:?}");
    let found: Vec<Source> = String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .filter(|path| wanted(path))
        .filter_map(|path| {
            let text = fs::read_to_string(checkout().join(path)).ok()?;
            let path = path.to_owned();
            Some(Source { path, text })
        })
        .collect();
    assert!(!found.is_empty(), "no file is looked at");
    found
}

pub(super) fn rust() -> Vec<Source> {
    files(|path| path.ends_with(".rs"))
}

/// Fails with one line for each place that breaks the rule.
pub(super) fn assert_none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}
