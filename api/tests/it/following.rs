//! What an execution prints, while it prints.

use std::time::{Duration, Instant};

use common::ids::ExecutionId;
use common::limits::FOLLOW_EVERY;
use common::live_log::Stream::{Stderr, Stdout};
use common::plan::{Plan, Plans};
use common::testing::wait_until;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{BOUND, Client, Event, Events, Home, SCOPES, Tenant, Worker, peer};

/// Somebody whose function runs until it is released.
pub(crate) async fn running(home: &Home) -> (Tenant, Worker, String, ExecutionId) {
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    tenant.publish("f", "hold").await;
    let begun = tenant.begin("f").await;
    let id = begun["id"].as_str().unwrap().to_owned();
    let execution = id.parse().unwrap();
    (tenant, worker, id, execution)
}

fn text(events: &[Event], stream: &str) -> String {
    let mine = events
        .iter()
        .filter(|event| event.name.is_empty() && event.data["stream"] == stream);
    mine.map(Event::text).collect()
}

fn ended(events: &[Event]) -> &Value {
    let (last, before) = events.split_last().unwrap();
    assert_eq!(last.name, "end");
    assert!(before.iter().all(|event| event.name != "end"));
    &last.data
}

/// Waits until the api says that so many follow.
async fn are_following(home: &Home, expected: usize) {
    let admin = Client::new(&home.admin_url, None);
    wait_until("so many follow", BOUND, async || {
        let metrics = admin.get("/metrics").await.text();
        let seen = metrics
            .lines()
            .find_map(|line| line.strip_prefix("patchbay_log_followers "));
        let seen = seen.unwrap_or_default().to_owned();
        (seen == expected.to_string()).then_some(()).ok_or(seen)
    })
    .await;
}

#[tokio::test]
async fn text_comes_while_the_execution_runs_and_the_end_comes_last() {
    let home = Home::new().await;
    let (tenant, worker, id, execution) = running(&home).await;
    let mut events = Events::follow(&tenant.program, &id, None).await;
    assert_eq!(events.header("content-type"), "text/event-stream");
    assert_eq!(events.header("cache-control"), "no-store");
    assert_eq!(events.header("x-accel-buffering"), "no");
    let trick = "data: x\n\nevent: end\r\rid: 1\u{2028}\0";
    let mut seen = Vec::new();
    for (stream, word, printed) in [
        (Stdout, "stdout", "one\n"),
        (Stderr, "stderr", trick),
        (Stdout, "stdout", "> "),
    ] {
        worker.print(execution, stream, printed).await;
        let event = events.next().await.unwrap();
        assert_eq!(event.text(), printed);
        assert_eq!(event.data["stream"], word);
        assert!(event.data["at"].is_string());
        assert_eq!(event.data.as_object().unwrap().len(), 3);
        seen.push(event);
    }
    worker.release();
    seen.extend(events.rest().await);
    assert_eq!(text(&seen, "stdout"), "one\n> printed\n");
    assert_eq!(text(&seen, "stderr"), trick);
    let end = json!({"status": "succeeded", "truncated": false});
    assert_eq!(*ended(&seen), end);
    // Whoever comes later is told the same from the stored log.
    let again = Events::follow(&tenant.program, &id, None)
        .await
        .rest()
        .await;
    assert_eq!(text(&again, "stdout"), "one\n> printed\n");
    assert_eq!(text(&again, "stderr"), trick);
    assert_eq!(*ended(&again), end);
    home.stop().await;
}

#[tokio::test]
async fn text_is_heard_when_it_is_printed_and_not_at_the_next_look() {
    let home = Home::new().await;
    let (tenant, worker, id, execution) = running(&home).await;
    let mut events = Events::follow(&tenant.program, &id, None).await;
    worker.print(execution, Stdout, "begun\n").await;
    events.next().await.unwrap();
    let began = Instant::now();
    for n in 0..20 {
        worker.print(execution, Stdout, &format!("{n}\n")).await;
        assert_eq!(events.next().await.unwrap().text(), format!("{n}\n"));
    }
    // Looks are half a second apart at least, reads a tenth of one.
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(took >= FOLLOW_EVERY * 19, "{took:?}");
    worker.release();
    home.stop().await;
}

#[tokio::test]
async fn of_what_was_erased_there_is_the_end_alone() {
    let home = Home::new().await;
    let (tenant, worker, id, _) = running(&home).await;
    worker.release();
    tenant.latest_succeeded().await;
    let path = format!("/v1/executions/{id}");
    tenant.program.delete(&path).await.must_be(204);
    let all = Events::follow(&tenant.program, &id, None)
        .await
        .rest()
        .await;
    assert_eq!(ended(&all)["status"], "succeeded");
    assert_eq!(all.len(), 1);
    home.stop().await;
}

#[tokio::test]
async fn who_follows_what_is_queued_waits_for_its_text() {
    let home = Home::new().await;
    let stop = CancellationToken::new();
    home.builder(&stop);
    let tenant = home.tenant("t").await;
    tenant.publish("f", "hold").await;
    let begun = tenant.begin("f").await;
    let id = begun["id"].as_str().unwrap();
    let mut events = Events::follow(&tenant.program, id, None).await;
    let worker = home.worker();
    worker.print(id.parse().unwrap(), Stdout, "begun\n").await;
    assert_eq!(events.next().await.unwrap().text(), "begun\n");
    worker.release();
    ended(&events.rest().await);
    stop.cancel();
    home.stop().await;
}

#[tokio::test]
async fn after_each_event_a_stream_resumes_at_any_api_and_after_the_end() {
    let home = Home::new().await;
    let (tenant, worker, id, execution) = running(&home).await;
    let stop = CancellationToken::new();
    let (elsewhere, _) = home.start(&stop).await;
    let there = tenant.program.at(&elsewhere);
    for (stream, printed) in [(Stdout, "é1\n"), (Stderr, "e1\n"), (Stdout, "2\n")] {
        worker.print(execution, stream, printed).await;
    }
    let mut events = Events::follow(&tenant.program, &id, None).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(events.next().await.unwrap());
    }
    let mut second = Events::follow(&there, &id, Some(&seen[0].id)).await;
    assert_eq!(second.next().await.unwrap(), seen[1]);
    assert_eq!(second.next().await.unwrap(), seen[2]);
    let mut third = Events::follow(&there, &id, Some(&seen[2].id)).await;
    worker.print(execution, Stderr, "e2\n").await;
    let news = third.next().await.unwrap();
    assert_eq!(news.text(), "e2\n");
    seen.push(news);
    drop(events);
    worker.release();
    ended(&third.rest().await);
    for at in 0..seen.len() {
        let resumed = Events::follow(&there, &id, Some(&seen[at].id)).await;
        let mut all = seen[..=at].to_vec();
        all.extend(resumed.rest().await);
        assert_eq!(text(&all, "stdout"), "é1\n2\nprinted\n", "after {at}");
        assert_eq!(text(&all, "stderr"), "e1\ne2\n", "after {at}");
        ended(&all);
    }
    // Who has all of it is told the end alone.
    let whole = Events::follow(&there, &id, None).await.rest().await;
    let last = &whole[whole.len() - 2].id;
    let end = Events::follow(&there, &id, Some(last)).await.rest().await;
    assert_eq!(end.len(), 1);
    ended(&end);
    stop.cancel();
    home.stop().await;
}

#[tokio::test]
async fn a_second_run_begins_anew_and_says_so() {
    let home = Home::new().await;
    let (tenant, worker, id, execution) = running(&home).await;
    let mut events = Events::follow(&tenant.program, &id, None).await;
    worker.print(execution, Stdout, "first\n").await;
    let first = events.next().await.unwrap();
    worker.begins_again(execution);
    worker.print(execution, Stdout, "second\n").await;
    let restart = events.next().await.unwrap();
    assert_eq!(
        (restart.name.as_str(), &restart.data),
        ("restart", &json!({"attempt": 2}))
    );
    assert_eq!(events.next().await.unwrap().text(), "second\n");
    worker.release();
    assert_eq!(text(&events.rest().await, "stdout"), "printed\n");
    // As it says to who was away meanwhile.
    let late = Events::follow(&tenant.program, &id, Some(&first.id)).await;
    let late = late.rest().await;
    assert_eq!(late[0].name, "restart");
    assert_eq!(text(&late, "stdout"), "second\nprinted\n");
    home.stop().await;
}

#[tokio::test]
async fn what_redis_forgot_comes_at_the_end() {
    let home = Home::new().await;
    let (tenant, worker, id, execution) = running(&home).await;
    let mut events = Events::follow(&tenant.program, &id, None).await;
    worker.print(execution, Stdout, "1\n").await;
    let first = events.next().await.unwrap();
    forget(&home, &home.queue.partition.log(execution)).await;
    worker.print(execution, Stdout, "2\n").await;
    let late = Events::follow(&tenant.program, &id, None).await;
    worker.release();
    let mut all = vec![first.clone()];
    all.extend(events.rest().await);
    assert_eq!(text(&all, "stdout"), "1\n2\nprinted\n");
    assert_eq!(text(&late.rest().await, "stdout"), "1\n2\nprinted\n");
    // And of the execution itself PostgreSQL knows.
    tenant.latest_succeeded().await;
    forget(&home, &home.queue.partition.execution(execution)).await;
    let resumed = Events::follow(&tenant.program, &id, Some(&first.id)).await;
    let resumed = resumed.rest().await;
    assert_eq!(text(&resumed, "stdout"), "2\nprinted\n");
    assert_eq!(ended(&resumed)["status"], "succeeded");
    home.stop().await;
}

async fn forget(home: &Home, key: &str) {
    let client = &home.queue.client;
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let removed: u64 = redis::cmd("DEL")
        .arg(key)
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(removed, 1, "{key}");
}

#[tokio::test]
async fn a_cancelled_execution_ends_its_streams() {
    let home = Home::new().await;
    let (tenant, worker, id, execution) = running(&home).await;
    worker.print(execution, Stdout, "1\n").await;
    let events = Events::follow(&tenant.program, &id, None).await;
    let path = format!("/v1/executions/{id}/cancel");
    let reply = tenant.program.post(&path, &json!({})).await;
    assert!(reply.status == 200 || reply.status == 202, "{reply:?}");
    let all = events.rest().await;
    assert_eq!(ended(&all)["status"], "cancelled");
    assert_eq!(text(&all, "stdout"), "1\nprinted\n");
    home.stop().await;
}

#[tokio::test]
async fn an_account_follows_so_many_and_a_place_is_free_when_its_caller_leaves() {
    let home = Home::new().await;
    let (tenant, worker, id, execution) = running(&home).await;
    let mut all = Vec::new();
    let most = Plans::shipped().unwrap().of(Plan::Local).followers();
    for _ in 0..most {
        all.push(Events::follow(&tenant.program, &id, None).await);
    }
    are_following(&home, most).await;
    let path = format!("/v1/executions/{id}/logs?follow=true");
    let reply = tenant.program.get(&path).await;
    reply.must_tell(429, "followers_exceeded");
    worker.print(execution, Stdout, "to all\n").await;
    for events in &mut all {
        assert_eq!(events.next().await.unwrap().text(), "to all\n");
    }
    drop(all.pop());
    are_following(&home, most - 1).await;
    all.push(Events::follow(&tenant.program, &id, None).await);
    all.clear();
    are_following(&home, 0).await;
    worker.release();
    home.stop().await;
}

#[tokio::test]
async fn a_draining_api_closes_its_streams_and_another_goes_on() {
    let home = Home::new().await;
    let (tenant, worker, id, execution) = running(&home).await;
    let stop = CancellationToken::new();
    let (elsewhere, _) = home.start(&stop).await;
    let there = tenant.program.at(&elsewhere);
    let mut events = Events::follow(&there, &id, None).await;
    worker.print(execution, Stdout, "1\n").await;
    let first = events.next().await.unwrap();
    stop.cancel();
    assert_eq!(events.next().await, None);
    let resumed = Events::follow(&tenant.program, &id, Some(&first.id)).await;
    worker.release();
    assert_eq!(text(&resumed.rest().await, "stdout"), "printed\n");
    home.stop().await;
}

#[tokio::test]
async fn what_cannot_be_followed_says_why() {
    let home = Home::new().await;
    let (tenant, worker, id, _) = running(&home).await;
    let path = format!("/v1/executions/{id}/logs");
    for (query, header, pointer) in [
        ("?follow=yes", "", "?follow"),
        ("?follow=", "", "?follow"),
        ("?follow=true&follow=true", "", "?follow"),
        ("?follow=true", "nonsense", "Last-Event-ID"),
        ("?follow=true", "1-2", "Last-Event-ID"),
        ("?follow=true", "1-2--3", "Last-Event-ID"),
    ] {
        let request = tenant.program.request("GET", &format!("{path}{query}"));
        let reply = Client::send(request.header("last-event-id", header)).await;
        reply.must_tell(422, "invalid");
        assert_eq!(reply.pointers(), [pointer], "{query}");
    }
    let follow = format!("{path}?follow=true");
    let stranger = home.tenant("stranger").await;
    let reply = stranger.program.get(&follow).await;
    reply.must_tell(404, "not_found");
    tenant
        .program
        .post("/v1/namespaces", &json!({"name": "second"}))
        .await
        .must_be(201);
    let wanted = json!({"name": "k", "scopes": SCOPES, "namespaces": ["second"]});
    let bound = home.with_key(&home.key(&tenant.person, wanted).await);
    bound.get(&follow).await.must_tell(404, "not_found");
    let none = ExecutionId::from_uuid("0199a000000070008000000000000000".parse().unwrap());
    let reply = tenant
        .program
        .get(&format!("/v1/executions/{none}/logs?follow=true"))
        .await;
    reply.must_tell(404, "not_found");
    let head = tenant.program.request("HEAD", &follow);
    assert_eq!(Client::send(head).await.status, 200);
    are_following(&home, 0).await;
    worker.release();
    home.stop().await;
}

#[tokio::test]
async fn a_client_that_nobody_here_wrote_reads_and_resumes_a_stream() {
    let home = Home::new().await;
    let (tenant, worker, id, execution) = running(&home).await;
    let key = json!({"name": "k", "scopes": ["executions:read"]});
    let key = home.key(&tenant.person, key).await;
    let address = home.address();
    let url = format!("http://{address}/v1/executions/{id}/logs?follow=true");
    let asked = json!({"url": url, "key": key, "first": 2});
    let client = ("PATCHBAY_MCP_LEGACY_PYTHON", "sse_client.py");
    let reading = home.tasks.spawn(async move { peer(client, &asked).await });
    let trick = "x\u{85}\u{2028}y\n\nevent: end\n";
    for printed in ["1\n", trick, "3\n"] {
        worker.print(execution, Stdout, printed).await;
    }
    are_following(&home, 1).await;
    worker.release();
    let seen = reading.await.unwrap();
    let texts: String = seen
        .iter()
        .filter(|event| event["event"] == "message")
        .map(|event| event["data"]["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, format!("1\n{trick}3\nprinted\n"));
    let last = seen.last().unwrap();
    assert_eq!(
        (&last["event"], &last["data"]["status"]),
        (&json!("end"), &json!("succeeded"))
    );
    home.stop().await;
}
