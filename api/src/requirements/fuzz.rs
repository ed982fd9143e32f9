//! Requirements: one line each, in one spelling, with nothing but a package's name, extras,
//! versions and a marker in it.

use std::cell::Cell;

use fuzzing::proptest::collection::vec;
use fuzzing::proptest::prelude::*;
use fuzzing::proptest::sample::select;
use fuzzing::{nearly, target};

use super::normalised;

const NAMES: &[&str] = &[
    "six",
    "Requests",
    "zope.interface",
    "a_b-c",
    "x9",
    "numpy",
    "-r",
    "--pre",
    "./a",
    "/a",
    "a.whl",
    "é",
    "${HOME}",
    "",
];
const PARTS: &[&str] = &[
    "[test]",
    "[Test, a_b]",
    "[]",
    "==1.0",
    ">=2,<3",
    " ~= 1.4.2",
    "!=1.*",
    "===x",
    "<",
    "== 1.0+local",
    "(>=1)",
    "==1!2.0rc1",
    " @ https://a.example/x.whl",
    " @ file:///etc/passwd",
    "@git+https://a.example/x",
    " --hash=sha256:aa",
    " # comment",
    " \\",
    "\n--pre",
    "\r-e .",
    "\t",
    "  ",
];
const MARKERS: &[&str] = &[
    "python_version < \"3.12\"",
    "os_name == 'posix'",
    "extra == 'a-b'",
    "sys_platform not in \"win32 cygwin\"",
    "'3' > python_version",
    "python_full_version",
    "bogus == '1'",
    "os_name == 'x",
    "os_name == 'x' # y",
    "\"\"",
    "os_name == \"a'b\"",
    "",
];

fn requirements() -> impl Strategy<Value = Vec<u8>> {
    let marker = vec(select(MARKERS), 0..3).prop_flat_map(|markers| {
        let join = select(&[" and ", " or ", " xor ", ";"][..]);
        let open = prop_oneof![3 => Just(("", "")), 1 => Just(("(", ")"))];
        (join, open)
            .prop_map(move |(join, (open, close))| format!("{open}{}{close}", markers.join(join)))
    });
    let marker = prop_oneof![
        2 => Just(String::new()),
        1 => (select(&["; ", ";", " ;"][..]), marker).prop_map(|(before, marker)| format!("{before}{marker}")),
    ];
    let parts = prop_oneof![
        1 => vec(select(&PARTS[..7]), 0..3),
        1 => vec(select(PARTS), 0..3),
    ];
    nearly(
        (select(NAMES), parts, marker).prop_map(|(name, parts, marker)| {
            format!("{name}{}{marker}", parts.concat()).into_bytes()
        }),
    )
}

#[test]
fn a_requirement_that_is_taken_is_one_line_by_name_and_reads_back_as_itself() {
    let (taken, marked) = (Cell::new(0), Cell::new(0));
    target!("requirements", 16).try_all(requirements(), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let Ok(line) = normalised(&text) else {
            return Ok(());
        };
        prop_assert_eq!(normalised(&line), Ok(line.clone()));
        let (package, marker) = line.split_once(';').unwrap_or((&line, ""));
        // What a resolver would read as an option, a comment, a continued line or a place.
        prop_assert!(
            line.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit()),
            "{}",
            line
        );
        prop_assert!(
            !line.contains(|letter: char| letter.is_control()),
            "{:?}",
            line
        );
        prop_assert!(
            !line.contains(" --") && !line.contains(['#', '\\', '$', '@', '/']),
            "{:?}",
            line
        );
        prop_assert!(
            !package.contains(['\'', '"']) && !package.contains(" -"),
            "{:?}",
            line
        );
        prop_assert!(marker.is_ascii(), "{:?}", line);
        taken.set(taken.get() + 1);
        marked.set(marked.get() + usize::from(!marker.is_empty()));
        Ok(())
    });
    let counts = (taken.get(), marked.get());
    assert!(counts.0 > 500 && counts.1 > 50, "{counts:?} are too few");
}
