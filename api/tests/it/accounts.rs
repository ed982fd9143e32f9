//! Registering, logging in, keys.

use std::time::{Duration, Instant};

use common::testing::wait_until;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{BOUND, Client, Home, PASSWORD, SCOPES};

#[tokio::test]
async fn an_email_is_one_identity_however_it_is_typed() {
    let home = Home::new().await;
    let open = home.anyone();
    let register = |email: &str, password: &str| json!({"email": email, "password": password, "accept_terms": true});
    let body = register(" Jos\u{e9}@Example.org ", PASSWORD);
    let first = open.post("/v1/auth/register", &body).await;
    let second = open
        .post(
            "/v1/auth/register",
            &register("JOSE\u{301}@example.ORG", "another password"),
        )
        .await;
    first.must_be(201);
    // A known address gets the same answer, and its password stays.
    assert_eq!((first.status, &first.body), (second.status, &second.body));
    for typed in ["jose\u{301}@example.org", "JOS\u{c9}@EXAMPLE.ORG"] {
        let login = json!({"email": typed, "password": PASSWORD});
        let reply = open.post("/v1/auth/login", &login).await.must_be(200);
        assert_eq!(reply["expires_in"], 3600);
        assert_eq!(reply["token_type"], "Bearer");
    }
    home.stop().await;
}

#[tokio::test]
async fn a_registration_stands_on_its_rules() {
    let home = Home::new().await;
    let open = home.anyone();
    let tell = async |body: serde_json::Value| {
        let reply = open.post("/v1/auth/register", &body).await;
        reply.must_tell(422, "invalid");
        reply.pointers()
    };
    let pointers = tell(json!({})).await;
    assert_eq!(pointers, ["/email", "/password", "/accept_terms"]);
    let body = json!({"email": "x", "password": "short", "accept_terms": "true", "admin": true});
    let pointers = tell(body).await;
    assert_eq!(pointers, ["/email", "/password", "/accept_terms", "/admin"]);
    let long = "p".repeat(1_025);
    let body = json!({"email": "a@b.org", "password": long, "accept_terms": true});
    assert_eq!(tell(body).await, ["/password"]);
    let body = json!({"email": "a@b.org", "password": "p".repeat(1_024), "accept_terms": true});
    open.post("/v1/auth/register", &body).await.must_be(201);
    home.stop().await;
}

#[tokio::test]
async fn every_byte_of_a_password_counts() {
    let home = Home::new().await;
    let open = home.anyone();
    let long = "p".repeat(80);
    let body = json!({"email": "a@b.org", "password": long, "accept_terms": true});
    open.post("/v1/auth/register", &body).await.must_be(201);
    let login = async |password: &str| {
        let body = json!({"email": "a@b.org", "password": password});
        open.post("/v1/auth/login", &body).await
    };
    login(&long).await.must_be(200);
    login(&long[..72]).await.must_tell(401, "unauthenticated");
    login(&"p".repeat(2_000))
        .await
        .must_tell(401, "unauthenticated");
    home.stop().await;
}

#[tokio::test]
async fn an_unknown_email_and_a_wrong_password_get_the_same_answer() {
    let home = Home::new().await;
    let known = home.newcomer("known").await;
    let login = async |email: &str| {
        let body = json!({"email": email, "password": "not the password"});
        let began = Instant::now();
        let reply = home.anyone().post("/v1/auth/login", &body).await;
        let mut document = reply.must_tell(401, "unauthenticated");
        document["request_id"] = json!(null);
        (document, began.elapsed())
    };
    let (unknown, quick) = login("nobody@example.org").await;
    let (wrong, slow) = login(&known.email).await;
    assert_eq!(unknown, wrong);
    // As much work: hashing is nearly all of it. A quick "no" would be 100 times quicker.
    assert!(quick * 10 > slow, "{quick:?} and {slow:?}");
    home.stop().await;
}

#[tokio::test]
async fn many_wrong_logins_are_slowed_down_whatever_address_they_claim() {
    let home = Home::new().await;
    let open = home.anyone();
    for attempt in 0..60 {
        let body = json!({"email": format!("n{attempt}@example.org"), "password": PASSWORD});
        let request = open.request("POST", "/v1/auth/login").json(&body);
        let claimed = format!("10.0.0.{attempt}");
        let reply = Client::send(request.header("x-forwarded-for", claimed)).await;
        if reply.status == 429 {
            reply.must_tell(429, "rate_limited");
            assert!(attempt > 10);
            home.stop().await;
            return;
        }
        reply.must_tell(401, "unauthenticated");
    }
    panic!("sixty wrong logins went through");
}

#[tokio::test]
async fn the_scheme_has_no_case_and_a_key_in_a_query_never_counts() {
    let home = Home::new().await;
    let tenant = home.newcomer("t").await;
    let key = home
        .key(&tenant.person, json!({"name": "k", "scopes": SCOPES}))
        .await;
    let open = home.anyone();
    for scheme in ["bearer", "BEARER"] {
        let request = open.request("GET", "/v1/account");
        let reply = Client::send(request.header("authorization", format!("{scheme} {key}"))).await;
        reply.must_be(200);
    }
    for query in ["key", "api_key", "access_token", "authorization"] {
        let reply = open.get(&format!("/v1/account?{query}={key}")).await;
        reply.must_tell(401, "unauthenticated");
    }
    home.stop().await;
}

#[tokio::test]
async fn a_revoked_key_is_dead_in_every_api_within_a_second() {
    let home = Home::new().await;
    let tenant = home.newcomer("t").await;
    let stop = CancellationToken::new();
    let (elsewhere, _) = home.start(&stop).await;
    let wanted = json!({"name": "k", "scopes": SCOPES});
    let made = tenant
        .person
        .post("/v1/api-keys", &wanted)
        .await
        .must_be(201);
    let here = home.with_key(made["key"].as_str().unwrap());
    let there = here.at(&elsewhere);
    here.get("/v1/account").await.must_be(200);
    there.get("/v1/account").await.must_be(200);
    let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    tenant.person.delete(&path).await.must_be(204);
    let revoked = Instant::now();
    here.get("/v1/account")
        .await
        .must_tell(401, "unauthenticated");
    wait_until("it is dead there", BOUND, async || {
        let reply = there.get("/v1/account").await;
        if reply.status == 401 {
            Ok(())
        } else {
            Err(reply.status)
        }
    })
    .await;
    assert!(revoked.elapsed() < Duration::from_secs(1));
    // Asked again: no mistake.
    tenant.person.delete(&path).await.must_be(204);
    stop.cancel();
    home.stop().await;
}

#[tokio::test]
async fn a_key_is_shown_once_and_gives_no_more_than_its_maker_has() {
    let home = Home::new().await;
    let tenant = home.newcomer("t").await;
    let wanted = json!({"name": "small", "scopes": ["account:write", "account:read"]});
    let key = home.key(&tenant.person, wanted).await;
    let small = home.with_key(&key);
    let listed = small.get("/v1/api-keys").await;
    assert!(!listed.text().contains(&key));
    assert!(!listed.text().contains(key.split('_').nth(2).unwrap()));
    let wanted = json!({"name": "more", "scopes": ["account:read", "functions:write", "root"]});
    let reply = small.post("/v1/api-keys", &wanted).await;
    reply.must_tell(422, "invalid");
    assert_eq!(reply.pointers(), ["/scopes/1", "/scopes/2"]);
    let wanted = json!({"name": "", "scopes": [], "expires_at": "2020-01-01T00:00:00Z"});
    let reply = small.post("/v1/api-keys", &wanted).await;
    assert_eq!(reply.pointers(), ["/name", "/scopes", "/expires_at"]);
    home.stop().await;
}

#[tokio::test]
async fn until_the_email_is_verified_there_is_one_namespace() {
    let home = Home::new().await;
    let newcomer = home.newcomer("t").await;
    let reply = newcomer
        .program
        .post("/v1/namespaces", &json!({"name": "second"}))
        .await;
    reply.must_tell(403, "email_not_verified");
    home.stop().await;
}

#[tokio::test]
async fn the_public_key_of_access_tokens_is_published() {
    let home = Home::new().await;
    let keys = home
        .anyone()
        .get("/.well-known/jwks.json")
        .await
        .must_be(200);
    assert_eq!(keys["keys"][0]["alg"], "ES256");
    assert!(keys["keys"][0].get("d").is_none());
    home.stop().await;
}
