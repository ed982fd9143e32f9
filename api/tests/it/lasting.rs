//! A stream lasts no longer than its caller may ask.

use std::time::{Duration, Instant};

use common::clock::{Clock as _, SystemClock};
use common::db::accounts::{self, AccountStatus};
use common::live_log::Stream::Stdout;
use common::testing::Role;
use serde_json::json;

use crate::following::running;
use crate::support::{Client, Events, Home};

/// A promise: announced, then asked for within half of it.
const SECOND: Duration = Duration::from_secs(1);

/// What is left of a stream is nothing, not even an end.
async fn breaks_off(events: Events) {
    assert_eq!(events.rest().await, []);
}

#[tokio::test]
async fn a_stream_ends_within_a_second_after_its_key_was_revoked_and_others_go_on() {
    let home = Home::new().await;
    let (tenant, worker, id, execution) = running(&home).await;
    let wanted = json!({"name": "k", "scopes": ["executions:read"]});
    let made = tenant.person.post("/v1/api-keys", &wanted).await;
    let made = made.must_be(201);
    let reader = home.with_key(made["key"].as_str().unwrap());
    let mut revoked = Events::follow(&reader, &id, None).await;
    let mut other = Events::follow(&tenant.program, &id, None).await;
    let mut person = Events::follow(&tenant.person, &id, None).await;
    worker.print(execution, Stdout, "1\n").await;
    for events in [&mut revoked, &mut other, &mut person] {
        assert_eq!(events.next().await.unwrap().text(), "1\n");
    }
    let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    tenant.person.delete(&path).await.must_be(204);
    let since = Instant::now();
    breaks_off(revoked).await;
    assert!(since.elapsed() < SECOND, "{:?}", since.elapsed());
    worker.print(execution, Stdout, "2\n").await;
    for events in [&mut other, &mut person] {
        assert_eq!(events.next().await.unwrap().text(), "2\n");
    }
    worker.release();
    home.stop().await;
}

#[tokio::test]
async fn a_stream_ends_when_its_key_or_token_expires() {
    let home = Home::new().await;
    let (tenant, worker, id, _) = running(&home).await;
    let expires_at = SystemClock.now() + Duration::from_secs(2);
    let wanted = json!({"name": "k", "scopes": ["executions:read"], "expires_at": expires_at});
    let key = home.key(&tenant.person, wanted).await;
    // A token's time is in whole seconds.
    let until = SystemClock.now().as_second() + 2;
    let token = home.token(&tenant, until);
    let key = Events::follow(&home.with_key(&key), &id, None).await;
    let token = Events::follow(&home.with_key(&token), &id, None).await;
    let left = |at: jiff::Timestamp| at.duration_since(SystemClock.now()).as_secs_f64();
    breaks_off(token).await;
    let late = -left(jiff::Timestamp::from_second(until).unwrap());
    assert!((0.0..1.0).contains(&late), "{late}");
    breaks_off(key).await;
    let late = -left(expires_at);
    assert!((0.0..1.0).contains(&late), "{late}");
    worker.release();
    home.stop().await;
}

#[tokio::test]
async fn streams_of_an_account_end_when_it_is_suspended() {
    let home = Home::new().await;
    let (tenant, worker, id, _) = running(&home).await;
    let follow = async |client: &Client| Events::follow(client, &id, None).await;
    let all = [follow(&tenant.program).await, follow(&tenant.person).await];
    let database = home.database.connect(Role::Owner);
    let client = database.client().await.unwrap();
    accounts::set_status(&client, tenant.account, AccountStatus::Suspended)
        .await
        .unwrap();
    for events in all {
        breaks_off(events).await;
    }
    worker.release();
    home.stop().await;
}
