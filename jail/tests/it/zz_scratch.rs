use crate::world::*;
#[tokio::test]
async fn scratch() {
    let source = std::fs::read_to_string("/tmp/plan/scratch.py").unwrap();
    let host = host();
    let bound = bound(&host, &source).await;
    println!("import log: {}", bound.log);
    let mut sandbox = match bound.sandbox { Ok(s) => s, Err(f) => { println!("{f:?}"); return } };
    for n in 0..3 {
        if !sandbox.is_reusable() { break }
        let done = run(&mut sandbox, &format!("{{\"n\": {n}}}")).await;
        println!("{done:#?}\n{}", done.result.as_ref().map(|b| String::from_utf8_lossy(b).into_owned()).unwrap_or_default());
    }
}
