//! One leader, and the next one takes over with a higher term.

use std::time::Duration;

use common::clock::{Clock as _, SystemClock};
use common::db::leader::Leadership;
use common::ids::ProcessId;
use common::testing::{self, Role, TestDatabase, wait_until};

const BOUND: Duration = Duration::from_secs(10);

async fn take(database: &TestDatabase) -> Option<Leadership> {
    let url = database.url(Role::Scheduler);
    let process = ProcessId::new(&SystemClock);
    Leadership::take(&url, process, SystemClock.now())
        .await
        .unwrap()
}

#[tokio::test]
async fn one_leads_and_another_takes_over_when_it_lets_go() {
    let database = testing::database().await;
    let first = take(&database).await.unwrap();
    assert!(first.check().await.unwrap());
    assert!(take(&database).await.is_none());
    let term = first.term();
    drop(first);
    let second = wait_until("the lead is free", BOUND, async || {
        take(&database).await.ok_or("somebody leads")
    })
    .await;
    assert!(second.term() > term);
}

#[tokio::test]
async fn who_lost_the_connection_does_not_lead_any_more() {
    let database = testing::database().await;
    let first = take(&database).await.unwrap();
    let owner = database.connect(Role::Owner).client().await.unwrap();
    let cut = "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and usename = 'patchbay_scheduler'";
    owner.execute(cut, &[]).await.unwrap();
    let second = wait_until("the lead is free", BOUND, async || {
        take(&database).await.ok_or("somebody leads")
    })
    .await;
    assert!(first.check().await.is_err());
    assert!(second.check().await.unwrap());
}
