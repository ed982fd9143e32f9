//! `SECURITY.md` points at walls and tests that are there.

use super::tree::{checkout, files};

#[test]
fn every_file_that_the_security_page_names_is_there() {
    let page = files(|path| path == "SECURITY.md").remove(0).text;
    let ours = ["api/", "common/", "jail/", "migrations/", "ops/", "worker/"];
    let named: Vec<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| ours.iter().any(|folder| word.starts_with(folder)))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    let gone: Vec<_> = named
        .iter()
        .filter(|path| !checkout().join(path).exists())
        .collect();
    assert!(gone.is_empty(), "named and not there: {gone:?}");
}
