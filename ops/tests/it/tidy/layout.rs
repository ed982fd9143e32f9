//! How files are named, how they begin, how long they are, and what they don't say.

use super::tree::{assert_none, files, rust};

/// Names that say nothing about what is inside.
const REFUSED: &[&str] = &[
    "util", "utils", "helper", "helpers", "misc", "manager", "handler", "base", "data", "info",
];
/// From 400 lines on it is worth looking again; a file longer than this does two things.
const LONGEST: usize = 500;
/// Places of one machine, in two parts so that this file isn't one of them.
const MACHINE: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("/us", "ers/"),
];

#[test]
fn no_file_has_a_name_that_says_nothing() {
    let broken: Vec<String> = files(|_| true)
        .into_iter()
        .map(|source| source.path)
        .filter(|path| {
            let name = path.rsplit('/').next().unwrap_or(path);
            let stem = name.split('.').next().unwrap_or(name);
            REFUSED.contains(&stem) || stem.starts_with("new_") || stem.ends_with("_v2")
        })
        .collect();
    assert_none("names that say nothing", &broken);
}

#[test]
fn every_module_says_first_what_it_is_for() {
    let broken: Vec<String> = rust()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! ") || source.text.starts_with("//! .\n"))
        .map(|source| source.path)
        .collect();
    assert_none("modules without a header", &broken);
}

#[test]
fn no_module_is_longer_than_can_be_read_at_once() {
    let broken: Vec<String> = rust()
        .iter()
        .map(|source| (&source.path, source.text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert_none("modules above 500 lines", &broken);
}

#[test]
fn the_readme_is_short() {
    let readme = files(|path| path == "README.md").remove(0);
    let lines = readme.text.lines().count();
    assert!(lines <= 150, "README.md has {lines} lines, 150 are allowed");
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    let mut broken = Vec::new();
    for source in files(|path| path != "Cargo.lock") {
        for (at, line) in source.text.lines().enumerate() {
            let lower = line.to_lowercase();
            if MACHINE
                .iter()
                .any(|(a, b)| starts_a_path(&lower, &format!("{a}{b}")))
            {
                broken.push(format!("{}:{}: {}", source.path, at + 1, line.trim()));
            }
        }
    }
    assert_none("places of one machine", &broken);
}

/// Whether an absolute path begins with this: `ops/lib/work/` would not.
fn starts_a_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !"._-*}/$".contains(c))
    })
}

#[test]
fn a_place_is_told_from_the_middle_of_a_path() {
    let place = format!("{}{}", MACHINE[0].0, MACHINE[0].1);
    assert!(starts_a_path(&format!("cd {place}main"), &place));
    assert!(!starts_a_path(&format!("see src{place}main.rs"), &place));
}
