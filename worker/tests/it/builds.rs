//! Versions become ready, or broken with a reason.

use common::db::versions::{self, BrokenKind, DeclaredEnv, EntryPoint, SingleUse, Status};
use common::execution::{ErrorCode, FinalState};
use common::source::Source;
use common::testing::Role;
use common::testing::given::Tenant;
use common::vault::Purpose;

use crate::rig::{BOUND, Rig};

async fn publish(rig: &Rig, code: &str) -> Tenant {
    rig.publish(code, &[], &DeclaredEnv::default()).await
}

/// Several files as they are stored.
fn files(files: &[(&str, &str)]) -> String {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    let source = Source::of_files(files.iter().map(owned).collect()).unwrap();
    String::from_utf8(source.encode()).unwrap()
}

#[tokio::test]
async fn several_files_are_built_and_called_together() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    let code = files(&[
        (
            "main.py",
            "from pkg.words import greet\ndef main(name: str): return greet(name)",
        ),
        (
            "pkg/words.py",
            "HERE = __file__.rpartition('/')[0]\ndef greet(name):\n    with open(HERE + '/word.txt') as f: return f.read() + name",
        ),
        ("pkg/word.txt", "ahoy "),
    ]);
    let tenant = publish(&rig, &code).await;
    let version = rig.built(&tenant, BOUND).await;
    assert_eq!(version.status, Status::Ready);
    let outcome = rig.call(&tenant, r#"{"name": "you"}"#).await;
    assert_eq!(outcome.output.as_deref(), Some(r#""ahoy you""#));
}

#[tokio::test]
async fn what_an_import_leaves_is_told_with_the_version() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    for (code, left) in [
        ("def main(): pass", None),
        (
            "open('/tmp/left', 'w').close()\ndef main(): pass",
            Some(SingleUse::Files),
        ),
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\ndef main(): pass",
            Some(SingleUse::Threads),
        ),
    ] {
        let tenant = publish(&rig, code).await;
        let version = rig.built(&tenant, BOUND).await;
        assert_eq!(
            (version.status, version.single_use),
            (Status::Ready, left),
            "{code}"
        );
    }
}

#[tokio::test]
async fn a_syntax_error_names_its_file() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    let code = files(&[
        ("main.py", "import helpers"),
        ("helpers.py", "x = 1\ndef ("),
    ]);
    let tenant = publish(&rig, &code).await;
    let version = rig.built(&tenant, BOUND).await;
    assert_eq!(version.broken_kind, Some(BrokenKind::Syntax));
    let reason = rig.reason(&tenant, version).await;
    assert_eq!(
        (&reason["file"], &reason["line"]),
        (&"helpers.py".into(), &2.into())
    );
}

#[tokio::test]
async fn a_version_is_described_by_importing_it() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    let code =
        "def main(n: int, label: str = 'x') -> int:\n    '''Adds one.'''\n    return n + 1\n";
    let tenant = publish(&rig, code).await;
    let version = rig.built(&tenant, BOUND).await;
    assert_eq!(version.status, Status::Ready);
    assert_eq!(version.entry_point, Some(EntryPoint::Main));
    let schema: serde_json::Value = serde_json::from_str(&version.input_schema.unwrap()).unwrap();
    assert_eq!(schema["properties"]["n"]["type"], "integer", "{schema}");
    let description = rig
        .vault
        .open(
            tenant.account,
            Purpose::Description,
            tenant.version.uuid(),
            &version.description.unwrap(),
        )
        .await
        .unwrap();
    assert_eq!(description, b"Adds one.");
    let outcome = rig.call(&tenant, r#"{"n": 1}"#).await;
    assert_eq!(outcome.output.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_syntax_error_is_told_with_its_place() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    let tenant = publish(&rig, "x = 1\ndef main(:\n    pass\n").await;
    let version = rig.built(&tenant, BOUND).await;
    assert_eq!(version.status, Status::Broken);
    assert_eq!(version.broken_kind, Some(BrokenKind::Syntax));
    let reason = rig.reason(&tenant, version).await;
    assert_eq!(reason["line"], 2, "{reason}");
}

#[tokio::test]
async fn a_version_that_cannot_be_imported_answers_so() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    let tenant = publish(
        &rig,
        "print('importing')\nimport no_such_module\ndef main(): pass\n",
    )
    .await;
    let version = rig.built(&tenant, BOUND).await;
    assert_eq!(version.status, Status::Ready);
    assert_eq!(version.broken_kind, Some(BrokenKind::Import));
    let client = rig.database.connect(Role::Api).client().await.unwrap();
    let log = versions::import_log(&client, tenant.account, tenant.version);
    assert!(log.await.unwrap().is_some());
    let outcome = rig.call(&tenant, "{}").await;
    assert_eq!(outcome.state(), FinalState::Failed);
    let error = outcome.error.unwrap();
    assert_eq!(error.code, ErrorCode::ImportError);
    assert!(error.message.contains("no_such_module"), "{error:?}");
}

#[tokio::test]
async fn a_call_waits_for_its_version_to_be_built() {
    let rig = Rig::new().await;
    let tenant = publish(
        &rig,
        "import time\ntime.sleep(1)\ndef main(): return 'built'\n",
    )
    .await;
    let _worker = rig.worker(&[]).await;
    let outcome = rig.call(&tenant, "{}").await;
    assert_eq!(outcome.output.as_deref(), Some("\"built\""), "{outcome:?}");
}
