//! Secrets of a namespace and values of one call: set, declared, asked for, never shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::limits;
use common::testing::{Role, search};
use serde_json::{Value, json};

use crate::support::{Client, Home, Reply, Tenant};

fn secret(tenant: &Tenant, name: &str) -> String {
    format!("/v1/namespaces/{}/secrets/{name}", tenant.namespace)
}

async fn set(tenant: &Tenant, name: &str, value: &str) -> Reply {
    let path = secret(tenant, name);
    tenant.program.put(&path, &json!({ "value": value })).await
}

async fn publish(tenant: &Tenant, env: Value) -> Value {
    let body = json!({"code": "env", "env": env});
    let reply = tenant.program.put(&tenant.function("f"), &body).await;
    assert!([200, 201].contains(&reply.status), "{reply:?}");
    reply.json()
}

/// Calls with values of its own, and waits.
async fn call(tenant: &Tenant, env: Option<&Value>) -> Reply {
    let request = tenant.program.request("POST", &tenant.executions("f"));
    let request = request.json(&json!({})).header("prefer", "wait=30");
    Client::send(match env {
        None => request,
        Some(env) => request.header("patchbay-env", STANDARD.encode(env.to_string())),
    })
    .await
}

#[tokio::test]
async fn a_secret_is_set_listed_and_deleted_and_its_value_never_comes_back() {
    let home = Home::new().await;
    let tenant = home.tenant("t").await;
    let made = set(&tenant, "TOKEN", "open sesame").await.must_be(201);
    assert_eq!(
        (&made["name"], &made["masked"]),
        (&json!("TOKEN"), &json!(true))
    );
    let again = set(&tenant, "TOKEN", "sesam").await.must_be(200);
    assert_eq!(again["masked"], json!(false), "five characters");
    assert_eq!(again["created_at"], made["created_at"]);
    assert_eq!(
        set(&tenant, "A", "sesam\u{e9}").await.must_be(201)["masked"],
        json!(true)
    );
    let shown = tenant
        .program
        .get(&secret(&tenant, "TOKEN"))
        .await
        .must_be(200);
    let members: Vec<_> = shown.as_object().unwrap().keys().collect();
    assert_eq!(members, ["name", "created_at", "updated_at"]);
    let list = format!("/v1/namespaces/{}/secrets", tenant.namespace);
    let first = tenant
        .program
        .get(&format!("{list}?limit=1"))
        .await
        .must_be(200);
    assert_eq!(first["items"][0]["name"], "A");
    let next = first["next_cursor"].as_str().unwrap();
    let rest = tenant.program.get(&format!("{list}?cursor={next}")).await;
    assert_eq!(rest.must_be(200)["items"][0], shown);
    for reply in [&first, &shown] {
        assert!(!reply.to_string().contains("sesam"), "{reply}");
    }
    tenant
        .program
        .delete(&secret(&tenant, "TOKEN"))
        .await
        .must_be(204);
    for reply in [
        tenant.program.delete(&secret(&tenant, "TOKEN")).await,
        tenant.program.get(&secret(&tenant, "TOKEN")).await,
        tenant.program.get(&secret(&tenant, "PATH")).await,
    ] {
        reply.must_tell(404, "not_found");
    }
    home.stop().await;
}

#[tokio::test]
async fn a_secret_stands_on_its_bounds() {
    let home = Home::new().await;
    let tenant = home.tenant("t").await;
    let long = "A".repeat(129);
    for name in [
        "lower",
        "1A",
        "PATH",
        "LD_PRELOAD",
        "PYTHONPATH",
        "PATCHBAY_X",
        &long,
    ] {
        let reply = set(&tenant, name, "value").await;
        reply.must_tell(422, "invalid");
        assert_eq!(reply.pointers(), ["{name}"], "{name}");
    }
    for body in [
        json!({}),
        json!({"value": 7}),
        json!({"value": "s3same\0"}),
        json!({"value": null}),
    ] {
        let reply = tenant.program.put(&secret(&tenant, "A"), &body).await;
        assert_eq!(
            reply.must_tell(422, "invalid")["errors"][0]["pointer"],
            "/value"
        );
        assert!(!reply.text().contains("s3same"));
    }
    // Escaped it is six times as long, and still arrives.
    let largest = "\u{1}".repeat(limits::SECRET_BYTES);
    set(&tenant, "A", &largest).await.must_be(201);
    let larger = set(&tenant, "A", &format!("{largest}x")).await;
    assert_eq!(
        larger.must_tell(422, "invalid")["errors"][0]["pointer"],
        "/value"
    );
    for name in ["B", "C"] {
        set(&tenant, name, &largest).await.must_be(201);
    }
    // As they are stored, all of them together.
    let full = set(&tenant, "D", &largest).await.must_tell(422, "invalid");
    let most = format!("{} bytes", limits::SECRETS_BYTES);
    assert!(full.to_string().contains(&most), "{full}");
    home.stop().await;
}

#[tokio::test]
async fn a_call_brings_only_what_the_function_declares() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    let made = publish(
        &tenant,
        json!({"required": ["TOKEN"], "optional": ["MODE"]}),
    )
    .await;
    let declared = json!({"required": ["TOKEN"], "optional": ["MODE"]});
    assert_eq!((&made["env"], &made["import_env"]), (&declared, &json!([])));
    let given = json!({"TOKEN": "t0ken", "OTHER": "0ther"});
    let done = call(&tenant, Some(&given)).await.must_be(200);
    assert_eq!(done["output"], json!({"TOKEN": "t0ken"}));
    set(&tenant, "TOKEN", "of the namespace").await.must_be(201);
    let done = call(&tenant, None).await.must_be(200);
    assert_eq!(done["output"], Value::Null, "it brings none of its own");
    home.stop().await;
}

#[tokio::test]
async fn a_missing_required_value_is_refused_before_anything_runs() {
    let home = Home::new().await;
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    publish(
        &tenant,
        json!({"required": ["TOKEN", "KEY"], "optional": ["MODE"]}),
    )
    .await;
    let refused = call(&tenant, Some(&json!({"MODE": "x", "KEY": "k"}))).await;
    let told = refused.must_tell(422, "missing_env");
    assert_eq!(refused.pointers(), ["Patchbay-Env/TOKEN"]);
    assert!(
        told["detail"].as_str().unwrap().ends_with(": TOKEN"),
        "{told}"
    );
    // A secret makes up for it at once, and its end is felt at once.
    set(&tenant, "TOKEN", "value").await.must_be(201);
    call(&tenant, Some(&json!({"KEY": "k"}))).await.must_be(200);
    tenant
        .program
        .delete(&secret(&tenant, "TOKEN"))
        .await
        .must_be(204);
    call(&tenant, Some(&json!({"KEY": "k"})))
        .await
        .must_tell(422, "missing_env");
    assert_eq!(worker.started(), 1);
    tenant.latest_succeeded().await;
    let listed = tenant.program.get("/v1/executions").await.must_be(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    home.stop().await;
}

#[tokio::test]
async fn another_api_hears_of_a_secret_within_a_second() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    publish(&tenant, json!({"required": ["TOKEN"]})).await;
    let stop = home.stopping().child_token();
    let (other, _) = home.start(&stop).await;
    let other = Tenant {
        program: tenant.program.at(&other),
        person: tenant.person.clone(),
        namespace: tenant.namespace.clone(),
        email: tenant.email.clone(),
        ..tenant
    };
    // From here on it remembers that there is none.
    call(&other, None).await.must_tell(422, "missing_env");
    let path = secret(&other, "TOKEN");
    let body = json!({"value": "value"});
    tenant.person.put(&path, &body).await.must_be(201);
    common::testing::wait_until("it is heard", crate::support::BOUND, async || {
        let reply = call(&other, None).await;
        if reply.status == 200 {
            Ok(())
        } else {
            Err(reply.text())
        }
    })
    .await;
    home.stop().await;
}

#[tokio::test]
async fn a_header_that_is_none_of_ours_is_told_and_not_repeated() {
    let home = Home::new().await;
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    publish(&tenant, json!({"optional": ["TOKEN"]})).await;
    let most = "x".repeat(limits::ENV_BYTES);
    for wrong in [
        json!("s3same"),
        json!({"s3same": "TOKEN"}),
        json!({"TOKEN": ["s3same"]}),
        json!({"PATH": "s3same"}),
        json!({"TOKEN": format!("s3same{most}")}),
    ] {
        let reply = call(&tenant, Some(&wrong)).await;
        reply.must_tell(422, "invalid");
        assert!(!reply.text().contains("s3same"), "{}", reply.text());
    }
    assert_eq!(worker.started(), 0);
    home.stop().await;
}

#[tokio::test]
async fn a_retry_is_given_its_values_again() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    publish(&tenant, json!({"required": ["TOKEN"]})).await;
    let done = call(&tenant, Some(&json!({"TOKEN": "first"})))
        .await
        .must_be(200);
    tenant.latest_succeeded().await;
    let path = format!("/v1/executions/{}/retry", done["id"].as_str().unwrap());
    let retry = || {
        tenant
            .program
            .request("POST", &path)
            .header("prefer", "wait=30")
    };
    Client::send(retry()).await.must_tell(422, "missing_env");
    let values = STANDARD.encode(json!({"TOKEN": "second"}).to_string());
    let again = Client::send(retry().header("patchbay-env", values))
        .await
        .must_be(200);
    assert_eq!(again["output"], json!({"TOKEN": "second"}));
    home.stop().await;
}

#[tokio::test]
async fn declared_names_are_part_of_a_version_and_come_back_with_it() {
    let home = Home::new().await;
    home.worker();
    let tenant = home.tenant("t").await;
    let plain = publish(&tenant, json!({})).await;
    let same = publish(&tenant, json!({"required": [], "optional": []})).await;
    assert_eq!(plain["version"], same["version"]);
    let with = publish(&tenant, json!({"required": ["B", "A"]})).await;
    assert_eq!(with["version"], 2);
    assert_eq!(
        publish(&tenant, json!({"required": ["A", "B"]})).await["version"],
        2
    );
    assert_eq!(
        publish(&tenant, json!({"optional": ["A", "B"]})).await["version"],
        3
    );
    let restore = format!("{}/versions/2/restore", tenant.function("f"));
    let restored = tenant.program.post(&restore, &json!({})).await.must_be(200);
    assert_eq!(
        restored["env"],
        json!({"required": ["A", "B"], "optional": []})
    );
    home.stop().await;
}

#[tokio::test]
async fn no_value_is_in_any_row_or_key_before_during_or_after_its_call() {
    let home = Home::new().await;
    let worker = home.worker();
    let tenant = home.tenant("t").await;
    let body = json!({"code": "hold", "env": {"required": ["TOKEN", "KEY"]}});
    tenant
        .program
        .put(&tenant.function("f"), &body)
        .await
        .must_be(201);
    set(&tenant, "KEY", "of-the-namespace").await.must_be(201);
    let values = STANDARD.encode(json!({"TOKEN": "of-the-call"}).to_string());
    let request = tenant.program.request("POST", &tenant.executions("f"));
    let request = request.json(&json!({})).header("patchbay-env", values);
    let begun = Client::send(request).await.must_be(202);
    worker.has_started(1).await;
    let owner = home.database.connect(Role::Owner).client().await.unwrap();
    let open = "select count(*) from executions where env is not null";
    assert_eq!(
        owner.query_one(open, &[]).await.unwrap().get::<_, i64>(0),
        1
    );
    kept_nowhere(&home).await;
    worker.release();
    let path = format!("/v1/executions/{}?wait=30", begun["id"].as_str().unwrap());
    tenant.program.get(&path).await.must_be(200);
    tenant.latest_succeeded().await;
    assert_eq!(
        owner.query_one(open, &[]).await.unwrap().get::<_, i64>(0),
        0
    );
    kept_nowhere(&home).await;
    home.stop().await;
}

async fn kept_nowhere(home: &Home) {
    let all = search::stored(&home.database, &home.queue).await;
    assert!(search::holds(&all, "TOKEN"), "names are no secret");
    for value in ["of-the-call", "of-the-namespace"] {
        assert!(!search::holds(&all, value), "{value}");
        assert!(
            !search::holds(&all, &STANDARD.encode(value)),
            "{value} in base64"
        );
    }
}
