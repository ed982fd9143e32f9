//! Models of the real pydantic, as arguments, as results and as schemas.

use std::path::{Path, PathBuf};
use std::process::Command;

use jail::{Code, Described, FailureCode, Sandbox, Verdict};
use serde_json::{Value, json};

use crate::world::{IMPORT, LIMITS, World, failure, host, output, place, run};

const PACKAGES: &[&str] = &[
    "annotated_types",
    "pydantic",
    "pydantic_core",
    "typing_extensions.py",
    "typing_inspection",
];

/// The package and what it needs, out of the MCP client's environment, which is pinned.
fn site(test: &str) -> PathBuf {
    let site = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("pydantic-{test}"));
    let _not_there = std::fs::remove_dir_all(&site);
    std::fs::create_dir_all(&site).expect("a directory");
    let python = place("PATCHBAY_MCP_PYTHON");
    let venv = python.parent().and_then(Path::parent).expect("a venv");
    let packages = venv.join("lib/python3.11/site-packages");
    let packages = PACKAGES.iter().map(|name| packages.join(name));
    let mut copy = Command::new("cp");
    let copied = copy.arg("-a").args(packages).arg(&site);
    assert!(copied.status().expect("cp runs").success());
    site
}

async fn with_pydantic(host: &World, test: &str, source: &str) -> (Described, Sandbox) {
    let layer = Some(host.layer(&site(test)).await.expect("a layer"));
    let code = Code::single(source);
    let generic = host.boot().await.expect("a sandbox").with(layer.clone());
    let description = generic.describe(&code, &LIMITS, IMPORT).await;
    let Verdict::Described(described) = description.expect("an answer").verdict else {
        panic!("not described");
    };
    let generic = host.boot().await.expect("a sandbox").with(layer);
    let bound = generic.bind(&code, &LIMITS, IMPORT).await;
    let sandbox = bound.expect("a binding").sandbox.expect("an import");
    (described, sandbox)
}

const MODELS: &str = "
import datetime, decimal
from typing import Annotated, Optional
from pydantic import BaseModel, Field, HttpUrl

class Item(BaseModel):
    name: str = Field(min_length=1, description='what it is')
    price: decimal.Decimal
    day: Optional[datetime.date] = None

class Order(BaseModel):
    items: list[Item]
    weight: float | int = 0
    count: int = 0
    note: str = Field('', alias='remark')
";

#[tokio::test]
async fn a_model_is_made_from_the_input_and_leaves_as_its_schema_says() {
    let source = format!(
        "{MODELS}\ndef main(order: Order, more: list[Item] = []) -> Order:\n    assert type(order.items[0].day) is datetime.date and all(type(i) is Item for i in more)\n    return order"
    );
    let host = host();
    let (_, mut sandbox) = with_pydantic(&host, "call", &source).await;
    let input = r#"{"order": {"items": [{"name": "a", "price": "1.10", "day": "2026-01-02"}], "count": 1e23, "weight": 9007199254740992.5, "remark": "x"}, "more": [{"name": "b", "price": 2}]}"#;
    assert_eq!(
        output(&run(&mut sandbox, input).await),
        r#"{"items":[{"name":"a","price":"1.10","day":"2026-01-02"}],"weight":9007199254740992.0,"count":100000000000000000000000,"remark":"x"}"#
    );
    let done = run(&mut sandbox, r#"{"order": {"items": [{"name": ""}]}}"#).await;
    let told = failure(&done);
    assert_eq!(told.code, FailureCode::Exception);
    let words = "argument order: 2 validation errors for Order";
    assert!(told.message.starts_with(words), "{told:?}");
}

#[tokio::test]
async fn a_model_s_schema_is_written_out_with_its_bounds() {
    let source = format!(
        "{MODELS}\ndef main(item: Item, url: HttpUrl, n: Annotated[int, Field(ge=1, lt=9, description='how many')]) -> list[Item]: return [url.host]"
    );
    let host = host();
    let (described, mut sandbox) = with_pydantic(&host, "schema", &source).await;
    let read = |text: Option<String>| -> Value {
        serde_json::from_str(&text.expect("a schema")).expect("JSON")
    };
    let input = &read(described.input_schema)["properties"];
    assert_eq!(input["item"]["properties"]["name"]["minLength"], 1);
    assert_eq!(input["item"]["required"], json!(["name", "price"]));
    assert_eq!(input["url"]["format"], "uri");
    assert_eq!(
        input["n"],
        json!({"type": "integer", "minimum": 1, "exclusiveMaximum": 9, "description": "how many"})
    );
    let result = read(described.output_schema);
    assert_eq!(result["items"]["properties"]["name"]["type"], "string");
    let input = r#"{"item": {"name": "a", "price": 1}, "url": "http://example.org/x", "n": 1}"#;
    assert_eq!(
        output(&run(&mut sandbox, input).await),
        r#"["example.org"]"#
    );
}
