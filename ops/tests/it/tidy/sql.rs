//! All SQL is in `common/src/db`, where a test prepares every statement.

use super::tree::{Source, assert_none, rust};

/// How statements begin, right behind a quotation mark.
const BEGINNINGS: &[&str] = &[
    "select ",
    "insert into ",
    "update ",
    "delete from ",
    "with ",
    "create table ",
    "alter table ",
    "alter role ",
    "truncate ",
    "listen ",
    "notify ",
    "drop table ",
];
/// Words one of which a statement has further on; prose seldom does.
const FURTHER: &[&str] = &[
    " from ",
    " set ",
    " values",
    " where ",
    "pg_",
    "select 1",
    "(",
    "listen patchbay",
    "truncate ",
];

fn may_hold_sql(path: &str) -> bool {
    path.starts_with("common/src/db/")
        || path.starts_with("migrations/")
        // Listening belongs to a connection of its own, not to a noun.
        || path == "common/src/announce.rs"
        // Tests look behind the curtain, and make databases for themselves.
        || path.starts_with("common/src/testing/")
        || path.contains("/tests/")
}

#[test]
fn sql_is_written_in_one_place() {
    let broken: Vec<String> = rust()
        .iter()
        .filter(|source| !may_hold_sql(&source.path))
        .flat_map(statements)
        .collect();
    assert_none("SQL outside common/src/db", &broken);
}

fn statements(source: &Source) -> Vec<String> {
    let tested_from = source
        .text
        .find("#[cfg(test)]\nmod ")
        .unwrap_or(source.text.len());
    source.text[..tested_from]
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//") && holds_sql(line))
        .map(|(at, line)| format!("{}:{}: {}", source.path, at + 1, line.trim()))
        .collect()
}

fn holds_sql(line: &str) -> bool {
    let line = line.to_lowercase();
    BEGINNINGS.iter().any(|beginning| {
        line.find(&format!("\"{beginning}"))
            .is_some_and(|at| FURTHER.iter().any(|word| line[at + 1..].contains(word)))
    })
}

#[test]
fn the_rule_knows_sql_from_prose() {
    for sql in [
        "let rows = client.query(\"select id from users\", &[]);",
        "    const GONE: &str = \"DELETE FROM users where id = $1\";",
        "batch_execute(\"update users set name = $1\")",
    ] {
        assert!(holds_sql(sql), "{sql}");
    }
    for prose in [
        "#[error(\"update your settings\")]",
        "\"with what it says is missing\"",
        "\"select one\"",
    ] {
        assert!(!holds_sql(prose), "{prose}");
    }
}
