//! Redis or PostgreSQL away: what still works, and what is told of the rest.

use std::sync::Arc;
use std::time::Duration;

use common::clock::{Clock as _, ManualClock, SystemClock};
use common::ids::ExecutionId;
use common::live_log::Stream::Stdout;
use common::queue::recovery::Loss;
use common::testing::{self, PrivatePostgres, PrivateRedis, Queue, wait_until};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::following::running;
use crate::support::{BOUND, Client, Events, Home};

#[tokio::test]
async fn synchronous_calls_go_on_while_postgresql_is_away() {
    let mut postgres = PrivatePostgres::start().await;
    let database = testing::database_on(&postgres.url()).await;
    let queue = testing::queue(&database).await;
    let home = Home::over(database, queue, testing::redis_url()).await;
    // It keeps the code in memory, as a bound sandbox does.
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    tenant.call("f", &json!({"a": 1})).await;
    postgres.crash();
    let path = tenant.executions("f");
    let reply = wait_until("its absence is noticed", BOUND, async || {
        let reply = tenant.program.post(&path, &json!({})).await;
        if reply.status == 503 {
            Ok(reply)
        } else {
            Err(reply.status)
        }
    })
    .await;
    reply.must_tell(503, "record_unavailable");
    let done = tenant.call("f", &json!({"a": 2})).await;
    assert_eq!(done["output"], json!({"a": 2}));
    let polled = format!("/v1/executions/{}", done["id"].as_str().unwrap());
    let polled = tenant.program.get(&polled).await.must_be(200);
    assert_eq!(polled["output"], json!({"a": 2}));
    postgres.restart().await;
    wait_until("asynchronous work is taken again", BOUND, async || {
        let reply = tenant.program.post(&path, &json!({"a": 3})).await;
        if reply.status == 202 {
            Ok(())
        } else {
            Err(reply.status)
        }
    })
    .await;
    // What ended meanwhile is on record.
    wait_until("it is recorded", BOUND, async || {
        let listed = tenant
            .program
            .get("/v1/executions?status=succeeded")
            .await
            .json();
        if listed.to_string().contains(done["id"].as_str().unwrap()) {
            Ok(())
        } else {
            Err(listed)
        }
    })
    .await;
    drop(worker);
    home.stop().await;
}

#[tokio::test]
async fn text_that_cannot_be_opened_while_the_keys_are_away_is_told_when_they_are_back() {
    let mut postgres = PrivatePostgres::start().await;
    let database = testing::database_on(&postgres.url()).await;
    let queue = testing::queue(&database).await;
    let home = Home::over(database, queue, testing::redis_url()).await;
    let (tenant, worker, id, execution) = running(&home).await;
    let stop = CancellationToken::new();
    // An api that has opened nothing of the account's, and knows the key that it shows.
    let (elsewhere, _) = home.start(&stop).await;
    let there = tenant.program.at(&elsewhere);
    there.get("/v1/account").await.must_be(200);
    worker.print(execution, Stdout, "1\n").await;
    postgres.crash();
    let mut events = Events::follow(&there, &id, None).await;
    has_read(&home, execution).await;
    postgres.restart().await;
    assert_eq!(events.next().await.unwrap().text(), "1\n");
    worker.print(execution, Stdout, "2\n").await;
    assert_eq!(events.next().await.unwrap().text(), "2\n");
    worker.release();
    stop.cancel();
    home.stop().await;
}

/// Waits until somebody has read what is told of it.
async fn has_read(home: &Home, id: ExecutionId) {
    let client = &home.queue.client;
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    wait_until("it is read", BOUND, async || {
        let key = home.queue.partition.execution(id);
        let read: bool = redis::cmd("HEXISTS")
            .arg(&[&key, "fol"])
            .query_async(&mut connection.clone())
            .await
            .unwrap();
        read.then_some(()).ok_or("not yet")
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_lost_its_memory_is_a_503_until_it_is_certified() {
    let redis = PrivateRedis::start().await;
    let database = testing::database().await;
    let queue = Queue::at(&redis.url(), &database).await;
    let home = Home::over(database, queue, redis.url()).await;
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    let kept = tenant.call("f", &json!({"a": 1})).await;
    let path = format!("/v1/executions/{}", kept["id"].as_str().unwrap());
    tenant.latest_succeeded().await;
    tenant.publish("h", "hold").await;
    let request = tenant
        .program
        .request("POST", &tenant.executions("h"))
        .json(&json!({}));
    let waiting = home
        .tasks
        .spawn(Client::send(request.header("prefer", "wait=60")));
    worker.has_started(2).await;
    let mut link = home
        .queue
        .client
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    redis::cmd("FLUSHALL").exec_async(&mut link).await.unwrap();
    let reply = tenant
        .program
        .post(&tenant.executions("f"), &json!({}))
        .await;
    reply.must_tell(503, "queue_recovering");
    // What is final is told all the same.
    assert_eq!(
        tenant.program.get(&path).await.must_be(200)["status"],
        "succeeded"
    );
    home.queue.recover(&home.database, Loss::Possible).await;
    // The caller of what only Redis knew.
    let told = waiting.await.unwrap();
    told.must_tell(503, "queue_reset");
    wait_until("it takes work again", BOUND, async || {
        let reply = tenant
            .program
            .post(&tenant.executions("f"), &json!({}))
            .await;
        if reply.status == 202 {
            Ok(())
        } else {
            Err(reply.text())
        }
    })
    .await;
    home.stop().await;
}

#[tokio::test]
async fn a_key_is_looked_up_in_the_record_after_a_loss() {
    let redis = PrivateRedis::start().await;
    let database = testing::database().await;
    let queue = Queue::at(&redis.url(), &database).await;
    let home = Home::over(database, queue, redis.url()).await;
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "echo").await;
    let ask = async |input: i32| {
        let request = tenant.program.request("POST", &tenant.executions("f"));
        let request = request.json(&json!(input)).header("idempotency-key", "k");
        Client::send(request).await
    };
    let first = ask(1).await.must_be(202);
    let path = format!("/v1/executions/{}?wait=30", first["id"].as_str().unwrap());
    tenant.program.get(&path).await.must_be(200);
    tenant.latest_succeeded().await;
    let mut link = home
        .queue
        .client
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    redis::cmd("FLUSHALL").exec_async(&mut link).await.unwrap();
    home.queue.recover(&home.database, Loss::Possible).await;
    let again = wait_until("it is answered", BOUND, async || {
        let reply = ask(1).await;
        if reply.status == 503 {
            Err(reply.text())
        } else {
            Ok(reply)
        }
    })
    .await
    .must_be(202);
    assert_eq!(again["id"], first["id"]);
    ask(2).await.must_tell(409, "idempotency_conflict");
    assert_eq!(worker.started(), 1);
    tokio::time::timeout(Duration::from_secs(30), home.stop())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_api_whose_clock_is_a_minute_off_is_not_ready() {
    let home = Home::new().await;
    let clock = Arc::new(ManualClock::at(&SystemClock.now().to_string()));
    clock.advance(Duration::from_secs(90));
    let stop = CancellationToken::new();
    let admin = Client::new(&home.start_at(clock, &stop).await, None);
    wait_until("only the clock is wrong", BOUND, async || {
        let reply = admin.get("/readyz").await;
        let told = reply.text();
        if reply.status == 503 && told.starts_with("clock: ") && told.lines().count() == 1 {
            Ok(())
        } else {
            Err(told)
        }
    })
    .await;
    stop.cancel();
    home.stop().await;
}
