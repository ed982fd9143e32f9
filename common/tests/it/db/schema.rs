//! What the schema itself has to keep.

use common::testing::{self, Role};

/// Tables but for the day partitions, which are like their parent.
const TABLES: &str = "select c.oid, c.relname::text as name from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition";

async fn names(role_url: secrecy::SecretString, sql: &str) -> Vec<String> {
    let database = common::db::Database::single(&role_url).unwrap();
    let client = database.client().await.unwrap();
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn every_table_and_column_is_commented() {
    let database = testing::database().await;
    let bare = format!(
        "with tables as ({TABLES})
        select t.name from tables t where obj_description(t.oid, 'pg_class') is null
        union all
        select t.name || '.' || a.attname from tables t
        join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
        where col_description(t.oid, a.attnum) is null"
    );
    for url in [database.url(Role::Owner), database.keys_url(Role::Owner)] {
        assert_eq!(names(url, &bare).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn every_column_of_words_is_held_to_them() {
    let database = testing::database().await;
    let free = format!(
        "with tables as ({TABLES})
        select t.name || '.' || a.attname from tables t
        join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
        where a.attname in ('state', 'status', 'kind', 'role', 'plan', 'trigger', 'broken_kind',
                'entry_point', 'error_code')
            and not exists (select from pg_constraint k
                where k.conrelid = t.oid and k.contype = 'c' and a.attnum = any (k.conkey)
                    and pg_get_constraintdef(k.oid) like '%ARRAY[%')"
    );
    assert_eq!(
        names(database.url(Role::Owner), &free).await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn the_words_of_the_schema_are_those_of_the_code() {
    use common::execution::{ErrorCode, State, Trigger};
    use common::plan::Plan;
    let database = testing::database().await;
    let checks = "select pg_get_constraintdef(oid) from pg_constraint
        where conrelid = 'executions'::regclass and contype = 'c'";
    let checks = names(database.url(Role::Owner), checks).await.join("\n");
    let words = State::ALL
        .iter()
        .map(|word| word.as_str())
        .chain(Trigger::ALL.iter().map(|word| word.as_str()))
        .chain(ErrorCode::ALL.iter().map(|word| word.as_str()))
        .chain(Plan::ALL.iter().map(|word| word.as_str()));
    for word in words {
        assert!(checks.contains(&format!("'{word}'::text")), "{word}");
    }
}

#[tokio::test]
async fn every_table_has_a_retention_rule_and_every_rule_a_table() {
    let database = testing::database().await;
    let tables = format!("select name from ({TABLES}) t order by name");
    let mut all = names(database.url(Role::Owner), &tables).await;
    all.extend(names(database.keys_url(Role::Owner), &tables).await);
    all.sort();
    all.dedup();
    let mut ruled: Vec<_> = common::db::retention::RULES
        .iter()
        .map(|(table, _)| (*table).to_owned())
        .collect();
    ruled.sort();
    assert_eq!(ruled, all);
}
