//! Every program has its case, and every case the mutation that lets it in.

use std::collections::BTreeSet;
use std::path::Path;

use super::case::Named;
use super::{escape, exhaustion, leakage, persistence, protocol, proxy};

const GROUPS: [(&str, &[Named]); 6] = [
    ("escape", escape::CASES),
    ("exhaustion", exhaustion::CASES),
    ("leakage", leakage::CASES),
    ("persistence", persistence::CASES),
    ("protocol", protocol::CASES),
    ("proxy", proxy::CASES),
];

/// Names of the programs in a folder.
fn programs(group: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/hostile")
        .join(group);
    let names = std::fs::read_dir(folder).unwrap();
    names
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "py"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_program_has_one_case() {
    for (group, cases) in GROUPS {
        let names: BTreeSet<String> = cases.iter().map(|case| case.program.to_owned()).collect();
        assert_eq!(names, programs(group), "{group}");
        assert_eq!(names.len(), cases.len(), "{group}: one case each");
        assert!(names.len() >= 8, "{group} has {} programs", names.len());
    }
}

#[test]
fn every_case_has_a_mutation_that_lets_it_in() {
    for named in GROUPS.iter().flat_map(|(_, cases)| *cases) {
        let case = named.case();
        assert!(!case.walls.is_empty(), "{} meets nothing", named.program);
        assert!(
            !case.mutations.is_empty(),
            "nothing lets {} in",
            named.program
        );
        for mutation in &case.mutations {
            assert!(
                !mutation.steps.is_empty(),
                "{}: {}",
                named.program,
                mutation.says
            );
        }
    }
}

#[test]
fn every_program_says_what_it_tries_and_what_it_meets() {
    for named in GROUPS.iter().flat_map(|(_, cases)| *cases) {
        for word in ["Tries: ", "Meets: "] {
            let line = named.says(word);
            assert!(
                line.is_some_and(|line| !line.is_empty()),
                "{}: {word}",
                named.program
            );
        }
    }
}
