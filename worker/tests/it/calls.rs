//! What executions come to.

use common::execution::{ErrorCode, FinalState, Lane};

use crate::rig::{Ask, Rig};

#[tokio::test]
async fn a_call_goes_through_and_is_recorded() {
    let rig = Rig::new().await;
    let function = rig
        .function("def main(n: int) -> int:\n    print('hello')\n    return n + 1\n")
        .await;
    let _worker = rig.worker(&[]).await;
    let ask = Ask {
        input: r#"{"n": 41}"#,
        ..Ask::default()
    };
    let id = rig.accept(&function, &ask).await;
    let outcome = rig.outcome(&function, id).await;
    assert_eq!(outcome.output.as_deref(), Some("42"), "{outcome:?}");
    assert_eq!(outcome.logs.stdout, "hello\n");
    assert_eq!(outcome.sealed.ending.attempt, 1);
    let recorded = rig.recorded(&function, id).await;
    assert_eq!(recorded.sealed.ending.state, outcome.sealed.ending.state);
    assert_eq!(recorded.output, outcome.output);
    let second = rig.call(&function, r#"{"n": 1}"#).await;
    assert_eq!(second.output.as_deref(), Some("2"));
}

#[tokio::test]
async fn background_executions_run_too() {
    let rig = Rig::new().await;
    let function = rig.function("def main(): return 'done'\n").await;
    let _worker = rig.worker(&[]).await;
    let ask = Ask {
        lane: Lane::Background,
        ..Ask::default()
    };
    let id = rig.accept(&function, &ask).await;
    let outcome = rig.outcome(&function, id).await;
    assert_eq!(outcome.output.as_deref(), Some("\"done\""));
}

#[tokio::test]
async fn a_users_failure_is_data() {
    let rig = Rig::new().await;
    let function = rig
        .function("def main():\n    print('before')\n    raise ValueError('no good')\n")
        .await;
    let _worker = rig.worker(&[]).await;
    let outcome = rig.call(&function, "{}").await;
    assert_eq!(outcome.state(), FinalState::Failed);
    let error = outcome.error.unwrap();
    assert_eq!(error.code, ErrorCode::Exception);
    assert_eq!(error.kind.as_deref(), Some("ValueError"));
    assert_eq!(error.message, "no good");
    assert_eq!(outcome.logs.stdout, "before\n");
}
