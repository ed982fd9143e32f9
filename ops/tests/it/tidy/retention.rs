//! Every table says how long its rows are kept.

use std::collections::BTreeSet;

use common::db::retention::RULES;

#[test]
fn every_table_has_a_retention_rule_and_every_rule_a_table() {
    let tables: BTreeSet<&str> = migrations::MAIN
        .iter()
        .chain(migrations::KEYS)
        .flat_map(|file| tables(file.sql))
        .collect();
    assert!(tables.contains("executions"), "{tables:?}");
    let ruled: BTreeSet<&str> = RULES.iter().map(|(table, _)| *table).collect();
    let without: Vec<_> = tables.difference(&ruled).collect();
    assert!(
        without.is_empty(),
        "tables without a retention rule: {without:?}"
    );
    let gone: Vec<_> = ruled
        .difference(&tables)
        .filter(|table| !is_kept_elsewhere(table))
        .collect();
    assert!(
        gone.is_empty(),
        "rules for tables that do not exist: {gone:?}"
    );
}

/// Made by `migrate` itself, before the first file.
fn is_kept_elsewhere(table: &str) -> bool {
    table == "schema_migrations"
}

/// Tables a migration makes; a partition has its parent's rule.
fn tables(sql: &str) -> Vec<&str> {
    sql.lines()
        .filter_map(|line| line.trim().strip_prefix("create table "))
        .filter(|rest| !rest.contains(" partition of "))
        .filter_map(|rest| {
            rest.trim_start_matches("if not exists ")
                .split([' ', '('])
                .next()
        })
        .collect()
}

#[test]
fn a_table_is_found_however_it_is_made() {
    let sql = "create table a (\n);\ncreate table if not exists b(\ncreate table c partition of a default;";
    assert_eq!(tables(sql), ["a", "b"]);
}
