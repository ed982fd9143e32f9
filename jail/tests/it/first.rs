//! The shortest way through.

use crate::world::{host, output, run, sandbox};

#[tokio::test]
async fn a_function_runs_again_and_again_in_one_sandbox() {
    let host = host();
    let mut sandbox = sandbox(&host, "def main(n): return n + 1").await;
    for n in 0..5 {
        let done = run(&mut sandbox, &format!("{{\"n\": {n}}}")).await;
        assert_eq!(output(&done), (n + 1).to_string());
        assert!(done.reusable);
    }
}
