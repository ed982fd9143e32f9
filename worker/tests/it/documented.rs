//! The tables of `docs/functions.md` say what the program does.

use common::execution::ErrorCode;
use common::limits;

const PAGE: &str = include_str!("../../../docs/functions.md");
const PLANS: &str = include_str!("../../../ops/plans.toml");

/// Cells of the rows below a table's head, which is given by its first line.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = PAGE.split_once(&format!("\n{head}\n")).expect(head);
    let rows = rest
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

fn bytes(count: u64) -> String {
    match count {
        mib if mib % (1 << 20) == 0 => format!("{} MiB", mib >> 20),
        kib if kib % (1 << 10) == 0 => format!("{} KiB", kib >> 10),
        few => format!("{few} bytes"),
    }
}

/// `1,000,000`.
fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[test]
fn the_limits_of_every_plan_are_those_of_the_program() {
    let size = |count: usize| bytes(count as u64);
    let told: Vec<_> = table("| in every plan | |")
        .into_iter()
        .map(|row| (row[0], row[1].to_owned()))
        .collect();
    let held = [
        ("input, as JSON", size(limits::INPUT_BYTES)),
        ("result, as JSON", size(limits::OUTPUT_BYTES)),
        ("code, all files together", size(limits::CODE_BYTES)),
        ("files of a function", limits::CODE_FILES.to_string()),
        ("a file's path", size(limits::CODE_NAME_BYTES)),
        ("description", size(limits::DESCRIPTION_BYTES)),
        ("each schema", size(limits::SCHEMA_BYTES)),
        (
            "nesting of inputs and results",
            limits::JSON_DEPTH.to_string(),
        ),
        (
            "digits of an integer",
            grouped(&limits::INTEGER_DIGITS.to_string()),
        ),
        (
            "time of an import",
            format!("{} s", limits::IMPORT.as_secs()),
        ),
        ("memory of an import", bytes(jail::limits::TEMPLATE_BYTES)),
        (
            "kept of what an import prints",
            size(jail::limits::IMPORT_LOG_BYTES),
        ),
        (
            "kept of stdout and of stderr, each",
            size(limits::LOG_BYTES),
        ),
        (
            "printed in all, before `output_too_large`",
            bytes(limits::LOG_DRAIN_BYTES),
        ),
    ];
    let held: Vec<_> = held
        .into_iter()
        .chain(of_sandboxes())
        .chain(of_packages())
        .collect();
    assert_eq!(told, held);
}

fn of_sandboxes() -> Vec<(&'static str, String)> {
    vec![
        (
            "files of `/tmp`",
            grouped(&limits::SCRATCH_FILES.to_string()),
        ),
        ("`/dev/shm`", bytes(jail::limits::SHM_BYTES)),
        (
            "files of `/dev/shm`",
            grouped(&jail::limits::SHM_INODES.to_string()),
        ),
        (
            "files that a process has open",
            jail::limits::OPEN_FILES.to_string(),
        ),
        (
            "stack of a process",
            format!("{} MiB", jail::limits::STACK_MIB),
        ),
        (
            "starts of an execution whose workers were lost",
            limits::STARTS.to_string(),
        ),
        ("connections at once", jail::limits::CONNECTIONS.to_string()),
        (
            "connections in all",
            grouped(&jail::limits::CONNECTIONS_IN_ALL.to_string()),
        ),
    ]
}

fn of_packages() -> Vec<(&'static str, String)> {
    vec![
        (
            "network hosts of a version",
            limits::NETWORK_HOSTS_MOST.to_string(),
        ),
        ("a network host", bytes(limits::NETWORK_HOST_BYTES as u64)),
        (
            "requirements of a version",
            limits::REQUIREMENTS.to_string(),
        ),
        ("a requirement", bytes(limits::REQUIREMENT_BYTES as u64)),
        (
            "time of resolving them",
            format!("{} s", limits::RESOLVE.as_secs()),
        ),
        (
            "files of installed packages",
            grouped(&limits::LAYER_FILES.to_string()),
        ),
    ]
}

#[test]
fn each_plan_s_figures_are_those_of_its_file() {
    let plans: Vec<(&str, Vec<(&str, &str)>)> = PLANS
        .split("\n[")
        .skip(1)
        .map(|part| {
            let (name, rest) = part.split_once(']').expect("a name");
            let figures = rest.lines().filter_map(|line| line.split_once(" = "));
            (name, figures.collect())
        })
        .collect();
    let names: Vec<_> = plans.iter().map(|(name, _)| *name).collect();
    let rows = table(&format!("| | {} |", names.join(" | ")));
    let documented: Vec<_> = rows
        .iter()
        .map(|row| row[0].split('`').nth(1).expect("a name in the file"))
        .collect();
    for (at, (plan, figures)) in plans.iter().enumerate() {
        for (key, row) in documented.iter().zip(&rows) {
            let figure = figures.iter().find(|(name, _)| name == key);
            let figure = figure.map_or("no bound".to_owned(), |(_, figure)| grouped(figure));
            assert_eq!(row[at + 1], figure, "{plan}: {key}");
        }
        for (key, _) in figures {
            assert!(documented.contains(key), "{plan}'s {key} is on no row");
        }
    }
}

#[test]
fn every_code_of_a_failed_execution_is_told() {
    let told: Vec<_> = table("| code | when |")
        .into_iter()
        .map(|row| row[0].trim_matches('`').to_owned())
        .collect();
    let codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(told, codes);
}
