//! Each role may do what its service does, and nothing else.

use common::db::Database;
use common::testing::{self, Role};

/// Runs a statement as a role; gives PostgreSQL's code where it refuses.
async fn refused(database: &Database, sql: &str) -> Option<String> {
    let client = database.client().await.unwrap();
    let error = client.batch_execute(sql).await.err()?;
    Some(
        error
            .code()
            .map_or_else(|| error.to_string(), |code| code.code().to_owned()),
    )
}

const FORBIDDEN: &str = "42501";

#[tokio::test]
async fn no_service_can_change_the_schema_or_reach_over_its_work() {
    let database = testing::database().await;
    let tries: &[(Role, &str)] = &[
        (Role::Api, "drop table executions"),
        (Role::Api, "truncate executions"),
        (Role::Api, "delete from executions"),
        (Role::Api, "create table mine (id integer)"),
        (Role::Api, "alter table executions add column mine integer"),
        (Role::Api, "update partitions set generation = 100"),
        (
            Role::Api,
            "select change_generation(0::smallint, 100, now())",
        ),
        (Role::Api, "select drop_execution_days('2100-01-01')"),
        (Role::Api, "update versions set code = ''"),
        (Role::Api, "alter table api_keys disable trigger all"),
        (Role::Worker, "select password_hash from users"),
        (Role::Worker, "select secret_hash from api_keys"),
        (Role::Worker, "select name from accounts"),
        (Role::Worker, "select input from executions"),
        (Role::Worker, "select output, logs from executions"),
        (Role::Worker, "update executions set account_id = id"),
        (Role::Api, "update users set password_hash = ''"),
        (Role::Worker, "update versions set code = ''"),
        (Role::Worker, "update versions set account_id = id"),
        (Role::Worker, "delete from executions"),
        (Role::Worker, "select updated_at from secrets"),
        (Role::Worker, "update secrets set value = ''"),
        (Role::Worker, "delete from secrets"),
        (Role::Scheduler, "select name from secrets"),
        (Role::Scheduler, "delete from secrets"),
        (Role::Worker, "select drop_execution_days('2100-01-01')"),
        (Role::Worker, "select token_hash from refresh_tokens"),
        (Role::Scheduler, "drop table executions_rest"),
        (Role::Scheduler, "delete from executions"),
        (Role::Scheduler, "select code from versions"),
        (Role::Scheduler, "select password_hash from users"),
        (Role::Scheduler, "select secret_hash from api_keys"),
        (Role::Scheduler, "select name from accounts"),
        (Role::Scheduler, "create table mine (id integer)"),
        (Role::Scheduler, "select pg_read_file('/etc/passwd')"),
    ];
    for (role, sql) in tries {
        let answer = refused(&database.connect(*role), sql).await;
        assert!(
            answer.as_deref() == Some(FORBIDDEN),
            "{role:?}: {sql}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn sealed_keys_are_out_of_the_schedulers_reach_and_the_workers_only_to_read() {
    let database = testing::database().await;
    let scheduler = database.connect_keys(Role::Scheduler).client().await;
    assert!(scheduler.is_err(), "the scheduler may not even connect");
    let worker = database.connect_keys(Role::Worker);
    assert_eq!(
        refused(&worker, "select wrapped from data_keys").await,
        None
    );
    let insert = "insert into data_keys select gen_random_uuid(), 'a', ''::bytea, now()";
    for (role, sql) in [
        (Role::Worker, insert),
        (Role::Worker, "update data_keys set wrapped = ''"),
        (Role::Api, "update data_keys set wrapped = ''"),
        (Role::Api, "delete from data_keys"),
        (Role::Api, "drop table data_keys"),
    ] {
        let answer = refused(&database.connect_keys(role), sql).await;
        assert_eq!(answer.as_deref(), Some(FORBIDDEN), "{role:?}: {sql}");
    }
    let keys = "select 1 from data_keys";
    let in_main = refused(&database.connect(Role::Api), keys).await;
    assert_eq!(
        in_main.as_deref(),
        Some("42P01"),
        "no such table in the main database"
    );
}

#[tokio::test]
async fn a_role_of_somebody_else_cannot_connect() {
    let database = testing::database().await;
    let owner = database.connect(Role::Owner).client().await.unwrap();
    let sql = "select has_database_privilege('pg_monitor', current_database(), 'connect')";
    let may: bool = owner.query_one(sql, &[]).await.unwrap().get(0);
    assert!(!may);
}
