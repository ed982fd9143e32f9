//! The same programs without a sandbox, where the kernel alone is the wall.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::case::{Meets, Step};

/// Runs `main` with the input and prints what it gives.
const CALL: &str = "import json, sys\n\
     told = json.load(sys.stdin)\n\
     scope = {'__name__': 'program'}\n\
     exec(compile(told['source'], 'program.py', 'exec'), scope)\n\
     print(json.dumps(scope['main'](**told['input'])))\n";

/// As an ordinary process of this uid.
pub(super) fn tries(source: &str, step: &Step, uid: u32) {
    let mut child = Command::new("/usr/bin/python3.11")
        .args(["-I", "-S", "-B", "-c", CALL])
        .env_clear()
        .current_dir("/tmp")
        .uid(uid)
        .gid(uid)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let told = json!({"source": source, "input": step.input}).to_string();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(told.as_bytes()).unwrap();
    drop(stdin);
    let ended = child.wait_with_output().unwrap();
    let met: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let is_so = match &step.meets {
        Meets::Gives(wanted) => met == *wanted,
        Meets::Shows(is_so) => is_so(&met),
        _ => false,
    };
    assert!(is_so, "{} met {met}", step.input);
}
