//! The functions of `ops/examples/`, uploaded once: a file `text.slug.py` becomes
//! the function `text.slug`. One that is there already is left as it is.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::client::Client;

pub(super) const NAMESPACE: &str = "examples";

pub(super) async fn upload(client: &Client, directory: &Path) -> anyhow::Result<()> {
    let wanted =
        json!({"name": NAMESPACE, "description": "What ops/up uploads to try things with"});
    client
        .post("/v1/namespaces", &wanted)
        .await?
        .expect(&[201, 409])
        .context("making the namespace")?;
    for (name, code) in files(directory)? {
        let path = format!("/v1/namespaces/{NAMESPACE}/functions/{name}");
        if client.get(&path).await?.status.is_success() {
            continue;
        }
        let version = client
            .put(&path, &json!({"code": code}))
            .await?
            .expect(&[200, 201])
            .with_context(|| format!("uploading {name}"))?;
        ready(&version).with_context(|| format!("building {name}"))?;
    }
    Ok(())
}

fn ready(version: &Value) -> anyhow::Result<()> {
    anyhow::ensure!(version["status"] == "ready", "it is {version}");
    Ok(())
}

/// Function names and code, in the order of the names.
fn files(directory: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).context("reading the examples")? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if let Some(name) = name.strip_suffix(".py") {
            found.push((name.to_owned(), fs::read_to_string(&path)?));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_has_a_name_the_api_takes_and_a_docstring() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let found = files(&directory).unwrap();
        assert!(found.len() >= 3, "{found:?}");
        for (name, code) in found {
            name.parse::<common::names::FunctionName>().unwrap();
            assert!(
                code.starts_with("\"\"\""),
                "{name} says nothing about itself"
            );
        }
    }
}
