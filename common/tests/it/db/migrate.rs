//! Bringing databases to the present schema.

use common::clock::{Clock as _, SystemClock};
use common::db::migrate::{self, MigrateError, Which};
use common::ids::RequestId;
use common::testing::{self, Role, TestDatabase};
use secrecy::{ExposeSecret as _, SecretString};

/// URLs of two databases that do not exist; gone with the test.
struct Absent {
    main: SecretString,
    keys: SecretString,
    name: String,
    beside: TestDatabase,
}

impl Absent {
    async fn new() -> Self {
        let beside = testing::database().await;
        let name = format!("m_{}", RequestId::new(&SystemClock).uuid().simple());
        let url = beside.url(Role::Owner);
        let (server, _) = url.expose_secret().rsplit_once("dbname=").unwrap();
        Self {
            main: format!("{server}dbname={name}").into(),
            keys: format!("{server}dbname={name}_keys").into(),
            name,
            beside,
        }
    }

    async fn drop(self) {
        let owner = self.beside.connect(Role::Owner).client().await.unwrap();
        for name in [&self.name, &format!("{}_keys", self.name)] {
            let sql = format!("drop database if exists \"{name}\" with (force)");
            owner.batch_execute(&sql).await.unwrap();
        }
    }

    async fn in_main(&self, sql: &str) {
        let database = common::db::Database::single(&self.main).unwrap();
        let client = database.client().await.unwrap();
        client.batch_execute(sql).await.unwrap();
    }
}

#[tokio::test]
async fn databases_are_made_and_migrating_again_changes_nothing() {
    let absent = Absent::new().await;
    let files = migrations::MAIN.len() + migrations::KEYS.len();
    // Two at once, as when two services start together.
    let (one, two) = tokio::join!(
        migrate::run(&absent.main, &absent.keys, &SystemClock),
        migrate::run(&absent.main, &absent.keys, &SystemClock),
    );
    assert_eq!(one.unwrap() + two.unwrap(), files);
    let again = migrate::run(&absent.main, &absent.keys, &SystemClock).await;
    assert_eq!(again.unwrap(), 0);
    let today = common::db::days::utc_day(SystemClock.now()).strftime("%Y%m%d");
    absent
        .in_main(&format!("select 1 from executions_{today}"))
        .await;
    absent.drop().await;
}

#[tokio::test]
async fn a_file_that_was_changed_and_a_newer_schema_are_refused_by_name() {
    let absent = Absent::new().await;
    migrate::run(&absent.main, &absent.keys, &SystemClock)
        .await
        .unwrap();
    absent
        .in_main("update schema_migrations set checksum = '\\x00' where number = 2")
        .await;
    let changed = migrate::run(&absent.main, &absent.keys, &SystemClock).await;
    assert!(
        matches!(&changed, Err(MigrateError::Changed { which: Which::Main, name })
            if name == "0002_functions"),
        "{changed:?}"
    );
    absent
        .in_main(
            "delete from schema_migrations where number = 2;
            insert into schema_migrations values (9999, 'later', '', now())",
        )
        .await;
    let newer = migrate::run(&absent.main, &absent.keys, &SystemClock).await;
    assert!(
        matches!(newer, Err(MigrateError::Newer { number: 9999, .. })),
        "{newer:?}"
    );
    absent.drop().await;
}
