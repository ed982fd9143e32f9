//! Secrets and values of one call, from the record and the queue to the code and no further.

use std::time::Duration;

use common::clock::{Clock as _, SystemClock};
use common::db::secrets::{self, NewSecret};
use common::db::versions::{self, DeclaredEnv, Status};
use common::execution::{ErrorCode, FinalState, State};
use common::ids::SecretId;
use common::testing::given::Tenant;
use common::testing::{Role, search, wait_until};
use common::vault::Purpose;

use crate::rig::{Ask, BOUND, Outcome, Rig, Scheduler};
use crate::servers::with_redis;

/// Says a value in every way there is.
const TELLS: &str = r#"
import json, os, sys

def main(how):
    token = os.environ["TOKEN"]
    os.write(1, token.encode()[:7])
    os.write(1, token.encode()[7:])
    print(json.dumps({"token": token}), repr(token), file=sys.stderr)
    if how == "raise":
        raise KeyError(token)
    return {"token": token, token: [json.dumps(token)]}
"#;
const TOKEN: &str = "tok3n \"of\"\tours é";

/// Which value it found at its import, by its letters' sum, and which template it is.
const READS: &str = r#"
import os
SEEN = sum(map(ord, os.environ["TOKEN"]))
TEMPLATE = os.urandom(8).hex()

def main():
    print("seen", os.environ["TOKEN"])
    return [SEEN, sum(map(ord, os.environ["TOKEN"])), TEMPLATE]
"#;

fn declared(required: &[&str], optional: &[&str]) -> DeclaredEnv {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    DeclaredEnv {
        required: owned(required),
        optional: owned(optional),
    }
}

impl Rig {
    async fn set(&self, tenant: &Tenant, name: &str, value: &str) {
        let id = SecretId::new(&SystemClock);
        let sealed = self
            .vault
            .seal(tenant.account, Purpose::Secret, id.uuid(), value.as_bytes())
            .await
            .unwrap();
        let new = NewSecret {
            id,
            namespace: tenant.namespace,
            name: &name.parse().unwrap(),
            value: &sealed,
            now: SystemClock.now(),
        };
        let mut client = self.database.connect(Role::Api).client().await.unwrap();
        secrets::set(&mut client, tenant.account, &new)
            .await
            .unwrap();
    }

    async fn call_with(&self, tenant: &Tenant, input: &str, env: Option<&str>) -> Outcome {
        let ask = Ask {
            input,
            env,
            ..Ask::default()
        };
        let id = self.accept(tenant, &ask).await;
        self.outcome(tenant, id).await
    }

    /// What [`READS`] saw at its import and in the call, and its template.
    async fn seen(&self, tenant: &Tenant, env: Option<&str>) -> (u32, u32, String) {
        let outcome = self.call_with(tenant, "{}", env).await;
        assert_eq!(outcome.logs.stdout, "seen ***\n");
        serde_json::from_str(outcome.output.as_ref().unwrap()).unwrap()
    }
}

fn sum(text: &str) -> u32 {
    text.chars().map(u32::from).sum()
}

#[tokio::test]
async fn a_value_reaches_the_code_and_nothing_that_comes_out_or_is_kept() {
    let rig = Rig::new().await;
    let worker = rig.worker(&[("PATCHBAY_LOG", "trace")]).await;
    let of_namespace = rig.publish(TELLS, &[], &declared(&["TOKEN"], &[])).await;
    rig.set(&of_namespace, "TOKEN", TOKEN).await;
    let of_call = rig.publish(TELLS, &[], &declared(&[], &["TOKEN"])).await;
    let own = serde_json::json!({ "TOKEN": TOKEN }).to_string();
    let mut all = String::new();
    for (tenant, env) in [(&of_namespace, None), (&of_call, Some(own.as_str()))] {
        rig.built(tenant, BOUND).await;
        let told = rig.call_with(tenant, r#"{"how": "return"}"#, env).await;
        let output = told.output.as_deref();
        assert_eq!(output, Some(r#"{"token":"***","***":["\"***\""]}"#));
        assert_eq!(told.logs.stdout, "***");
        assert_eq!(told.logs.stderr, "{\"token\": \"***\"} '***'\n");
        let raised = rig.call_with(tenant, r#"{"how": "raise"}"#, env).await;
        let failure = raised.error.as_ref().unwrap();
        assert_eq!(failure.message, "'***'");
        assert!(
            failure
                .traceback
                .as_ref()
                .unwrap()
                .ends_with("KeyError: '***'\n")
        );
        all.push_str(&format!("{told:?} {raised:?}"));
    }
    all.push_str(&worker.metrics().await);
    all.push_str(&worker.log());
    let mut kept = search::stored(&rig.database, &rig.queue).await;
    kept.extend(all.as_bytes());
    for part in ["tok3n", "ours é", "ours \\u00e9"] {
        assert!(!search::holds(&kept, part), "{part}");
    }
}

#[tokio::test]
async fn a_changed_secret_is_seen_and_one_tenant_s_is_never_another_s() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    let code = "import os\ndef main(): return len(os.environ['TOKEN'])";
    let (one, other) = (
        rig.publish(code, &[], &declared(&["TOKEN"], &[])).await,
        rig.publish(code, &[], &declared(&["TOKEN"], &[])).await,
    );
    rig.set(&one, "TOKEN", "1").await;
    rig.set(&other, "TOKEN", "22").await;
    for tenant in [&one, &other] {
        assert_eq!(rig.built(tenant, BOUND).await.import_env, [""; 0]);
    }
    assert_eq!(rig.call(&one, "{}").await.output.as_deref(), Some("1"));
    assert_eq!(rig.call(&other, "{}").await.output.as_deref(), Some("2"));
    rig.set(&one, "TOKEN", "333").await;
    wait_until("the new value is there", BOUND, async || {
        let outcome = rig.call(&one, "{}").await;
        (outcome.output.as_deref() == Some("3"))
            .then_some(())
            .ok_or(outcome)
    })
    .await;
    assert_eq!(rig.call(&other, "{}").await.output.as_deref(), Some("2"));
    // The call's own goes over it, for this call.
    let own = rig
        .call_with(&one, "{}", Some(r#"{"TOKEN": "4444"}"#))
        .await;
    assert_eq!(own.output.as_deref(), Some("4"));
    assert_eq!(rig.call(&one, "{}").await.output.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_version_that_reads_a_secret_at_its_import_serves_calls_of_the_same_value() {
    let rig = Rig::new().await;
    let tenant = rig
        .publish(READS, &[], &declared(&["TOKEN"], &["OTHER"]))
        .await;
    rig.set(&tenant, "TOKEN", "first value").await;
    let _worker = rig.worker(&[]).await;
    let version = rig.built(&tenant, BOUND).await;
    assert_eq!((version.status, version.broken_kind), (Status::Ready, None));
    assert_eq!(version.import_env, ["TOKEN"]);
    let first = rig.seen(&tenant, None).await;
    assert_eq!((first.0, first.1), (sum("first value"), sum("first value")));
    wait_until("its sandbox serves again", BOUND, async || {
        let again = rig.seen(&tenant, None).await;
        if again == first { Ok(()) } else { Err(again) }
    })
    .await;
    rig.set(&tenant, "TOKEN", "second value").await;
    let second = wait_until("the new value is there", BOUND, async || {
        let seen = rig.seen(&tenant, None).await;
        // Import and call agree, whichever it is.
        assert_eq!(seen.0, seen.1);
        if seen.0 == sum("second value") {
            Ok(seen)
        } else {
            Err(seen)
        }
    })
    .await;
    assert_ne!(second.2, first.2);
}

#[tokio::test]
async fn a_version_that_reads_a_call_s_own_value_at_its_import_has_a_sandbox_for_each() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    let tenant = rig.publish(READS, &[], &declared(&["TOKEN"], &[])).await;
    assert_eq!(rig.built(&tenant, BOUND).await.import_env, ["TOKEN"]);
    let mut templates = Vec::new();
    for value in ["caller one", "caller two", "caller two"] {
        let own = serde_json::json!({ "TOKEN": value }).to_string();
        let (imported, called, template) = rig.seen(&tenant, Some(&own)).await;
        assert_eq!((imported, called), (sum(value), sum(value)));
        templates.push(template);
    }
    templates.dedup();
    assert_eq!(templates.len(), 3, "{templates:?}");
}

#[tokio::test]
async fn an_import_that_fails_for_want_of_a_value_succeeds_with_it() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    let code = "import os\nif os.environ['TOKEN'] != 'the right one': raise ValueError('not ' + os.environ['TOKEN'])\ndef main(): return 'in'";
    let tenant = rig.publish(code, &[], &declared(&["TOKEN"], &[])).await;
    let version = rig.built(&tenant, BOUND).await;
    assert_eq!((version.status, version.broken_kind), (Status::Ready, None));
    let client = rig.database.connect(Role::Api).client().await.unwrap();
    let log = versions::import_log(&client, tenant.account, tenant.version).await;
    let log = log.unwrap().unwrap();
    let place = (Purpose::ImportLog, tenant.version.uuid());
    let log = rig.vault.open(tenant.account, place.0, place.1, &log).await;
    assert_eq!(
        String::from_utf8(log.unwrap()).unwrap(),
        "[the import failed while TOKEN had no value: not no-value-while-publishing]\n"
    );
    let right = rig
        .call_with(&tenant, "{}", Some(r#"{"TOKEN": "the right one"}"#))
        .await;
    assert_eq!(right.output.as_deref(), Some("\"in\""));
    let wrong = rig
        .call_with(&tenant, "{}", Some(r#"{"TOKEN": "the wrong one"}"#))
        .await;
    let failure = wrong.error.unwrap();
    assert_eq!(failure.code, ErrorCode::ImportError);
    assert_eq!(failure.message, "not ***");
}

#[tokio::test]
async fn a_value_that_was_deleted_meanwhile_ends_the_execution_before_it_runs() {
    let rig = Rig::new().await;
    let code = "import os\nprint('imported')\ndef main(): return os.environ.get('TOKEN')";
    let tenant = rig.publish(code, &[], &declared(&["TOKEN"], &[])).await;
    let _worker = rig.worker(&[]).await;
    rig.built(&tenant, BOUND).await;
    let outcome = rig.call(&tenant, "{}").await;
    assert_eq!(outcome.state(), FinalState::Failed);
    let failure = outcome.error.unwrap();
    assert_eq!(failure.code, ErrorCode::ImportError);
    assert!(failure.message.contains("TOKEN"), "{failure:?}");
    assert_eq!(outcome.logs.stdout, "");
}

#[tokio::test]
async fn a_call_s_own_values_survive_the_loss_of_redis() {
    let (_redis, rig) = with_redis().await;
    let _scheduler = Scheduler::start(&rig);
    let _worker = rig.worker(&[]).await;
    let code = "import os, time\ndef main(seconds):\n    time.sleep(seconds)\n    return len(os.environ['TOKEN'])";
    let tenant = rig.publish(code, &[], &declared(&["TOKEN"], &[])).await;
    rig.built(&tenant, BOUND).await;
    let ask = Ask {
        input: r#"{"seconds": 2}"#,
        env: Some(r#"{"TOKEN": "twelve chars"}"#),
        ..Ask::default()
    };
    let id = rig.accept(&tenant, &ask).await;
    rig.row_is(&tenant, id, State::Running).await;
    rig.flush().await;
    let outcome = rig.recorded(&tenant, id).await;
    assert_eq!(outcome.output.as_deref(), Some("12"), "{outcome:?}");
    let stored = search::stored(&rig.database, &rig.queue).await;
    assert!(!search::holds(&stored, "twelve chars"));
}

#[tokio::test]
async fn a_call_s_own_values_survive_a_lost_worker() {
    let rig = Rig::new().await;
    let mut first = rig.worker(&[]).await;
    let code = "import os, time\ndef main(seconds):\n    time.sleep(seconds)\n    return len(os.environ['TOKEN'])";
    let tenant = rig.publish(code, &[], &declared(&["TOKEN"], &[])).await;
    rig.built(&tenant, BOUND).await;
    let ask = Ask {
        input: r#"{"seconds": 2}"#,
        env: Some(r#"{"TOKEN": "twelve chars"}"#),
        timeout: Duration::from_secs(20),
        ..Ask::default()
    };
    let id = rig.accept(&tenant, &ask).await;
    rig.running(&tenant, id).await;
    first.kill();
    let _second = rig.worker(&[]).await;
    let outcome = rig.outcome(&tenant, id).await;
    assert_eq!(outcome.output.as_deref(), Some("12"), "{outcome:?}");
}
