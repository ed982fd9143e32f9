//! Clients that nobody here wrote, in interpreters that `ops/test` makes.

use std::path::PathBuf;
use std::process::Stdio;

use common::config::Env;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// The interpreter of a venv that `ops/test` makes.
fn python(variable: &str) -> PathBuf {
    let path: Option<PathBuf> = Env::process().optional(variable);
    path.unwrap_or_else(|| {
        panic!("{variable} names no Python with the client: eval \"$(ops/test --servers)\"")
    })
}

/// Has a script of `tests/it/peers` do what it is asked; gives what it saw.
pub(crate) async fn peer((interpreter, script): (&str, &str), asked: &Value) -> Vec<Value> {
    let script = format!("{}/tests/it/peers/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(python(interpreter))
        .arg("-I")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(asked.to_string().as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{asked}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}
