//! Every statement, prepared against the migrated database.

use std::fmt::Write as _;

use common::db::Database;
use common::db::statement::{self, Statement};
use common::testing::{self, Role};

async fn described(database: &Database, statements: &[Statement]) -> String {
    let client = database.client().await.unwrap();
    let mut lines = String::new();
    for statement in statements {
        let prepared = client
            .prepare(statement.sql)
            .await
            .unwrap_or_else(|error| panic!("{}: {error:?}", statement.name));
        let takes: Vec<_> = prepared
            .params()
            .iter()
            .map(tokio_postgres::types::Type::name)
            .collect();
        let gives: Vec<_> = prepared
            .columns()
            .iter()
            .map(|column| format!("{} {}", column.name(), column.type_().name()))
            .collect();
        let name = statement.name.trim_start_matches("common::db::");
        writeln!(
            lines,
            "{name} ({}) -> ({})",
            takes.join(", "),
            gives.join(", ")
        )
        .unwrap();
    }
    lines
}

#[tokio::test]
async fn every_statement_prepares_with_the_types_of_the_snapshot() {
    let database = testing::database().await;
    let main = described(&database.connect(Role::Owner), &statement::main()).await;
    let keys = described(&database.connect_keys(Role::Owner), &statement::keys()).await;
    let now = main + &keys;
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it/db/statements.snapshot"
    );
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    if now != kept {
        let new = format!("{path}.new");
        std::fs::write(&new, &now).unwrap();
        let lines: Vec<_> = now.lines().filter(|line| !kept.contains(line)).collect();
        panic!("types changed; look at {new} and put it in place if it is right:\n{lines:#?}");
    }
}

#[test]
fn names_of_statements_are_unique() {
    let mut names: Vec<_> = statement::main()
        .iter()
        .chain(&statement::keys())
        .map(|statement| statement.name)
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
