//! What is learnt about a version by importing it.

use jail::{Code, Described, Entry, FailureCode, SingleUse, Verdict};
use serde_json::{Value, json};

use crate::world::{IMPORT, LIMITS, World, host};

async fn verdict(host: &World, source: &str) -> Verdict {
    let generic = host.boot().await.unwrap();
    let description = generic
        .describe(&Code::single(source), &LIMITS, IMPORT)
        .await
        .unwrap();
    description.verdict
}

async fn described(host: &World, source: &str) -> Described {
    match verdict(host, source).await {
        Verdict::Described(described) => described,
        other => panic!("{other:?}"),
    }
}

async fn schemas(cases: &[(&str, Value)]) {
    let host = host();
    for (source, expected) in cases {
        let described = described(&host, source).await;
        let schema: Value = described
            .input_schema
            .map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
        assert_eq!(&schema, expected, "{source}");
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "json! reads better without a borrow"
)]
fn object(properties: Value, required: &[&str]) -> Value {
    let mut schema =
        json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

#[tokio::test]
async fn plain_signatures_become_closed_objects() {
    schemas(&[
        ("def main(): pass", object(json!({}), &[])),
        ("def main(x): pass", object(json!({"x": {}}), &["x"])),
        ("from __future__ import annotations\ndef main(x: int, y: str = 'a'): pass", object(json!({"x": {"type": "integer"}, "y": {"type": "string", "default": "a"}}), &["x"])),
        ("def main(a, *, b=2, **rest): pass", json!({"type": "object", "properties": {"a": {}, "b": {"default": 2}}, "required": ["a"]})),
        ("def main(**rest: int): pass", json!({"type": "object", "properties": {}, "additionalProperties": {"type": "integer"}})),
        ("def main(input): pass", Value::Null),
        ("def main(input: dict): pass", json!({"type": "object"})),
        ("def main(data): pass", object(json!({"data": {}}), &["data"])),
        ("def handler(input, context): pass", Value::Null),
        ("result = 1", Value::Null),
        ("async def main(f: float, b: bool): pass", object(json!({"f": {"type": "number"}, "b": {"type": "boolean"}}), &["f", "b"])),
    ])
    .await;
}

#[tokio::test]
async fn hints_become_schemas() {
    schemas(&[
        ("from typing import *\ndef main(a: Optional[int], b: int | None = None, c: Union[int, str] = 1): pass",
         object(json!({"a": {"type": ["integer", "null"]}, "b": {"type": ["integer", "null"], "default": null}, "c": {"type": ["integer", "string"], "default": 1}}), &["a"])),
        ("from datetime import date, datetime\nfrom uuid import UUID\ndef main(d: date, t: datetime, u: UUID): pass",
         object(json!({"d": {"type": "string", "format": "date"}, "t": {"type": "string", "format": "date-time"}, "u": {"type": "string", "format": "uuid"}}), &["d", "t", "u"])),
        ("from typing import *\ndef main(a: list[int], b: dict[str, bool], c: tuple[int, ...], d: Literal['x', 2], e: List[str]): pass",
         object(json!({"a": {"type": "array", "items": {"type": "integer"}}, "b": {"type": "object", "additionalProperties": {"type": "boolean"}}, "c": {"type": "array", "items": {"type": "integer"}}, "d": {"enum": ["x", 2]}, "e": {"type": "array", "items": {"type": "string"}}}), &["a", "b", "c", "d", "e"])),
        ("import enum\nclass C(enum.Enum):\n    RED = 'red'\n    BLUE = 'blue'\ndef main(c: C): pass",
         object(json!({"c": {"type": "string", "enum": ["red", "blue"]}}), &["c"])),
        ("from dataclasses import dataclass, field\n@dataclass\nclass In: x: int\n@dataclass\nclass P:\n    a: In\n    b: In\n    n: int = 3\n    l: list = field(default_factory=list)\ndef main(p: P): pass",
         object(json!({"p": object(json!({"a": object(json!({"x": {"type": "integer"}}), &["x"]), "b": object(json!({"x": {"type": "integer"}}), &["x"]), "n": {"type": "integer", "default": 3}, "l": {"type": "array"}}), &["a", "b"])}), &["p"])),
        ("from typing import *\nclass T(TypedDict):\n    a: int\n    b: NotRequired[str]\ndef main(t: T): pass",
         object(json!({"t": object(json!({"a": {"type": "integer"}, "b": {"type": "string"}}), &["a"])}), &["t"])),
        ("from typing import *\ndef main(x: Annotated[int, 'how many'], y: 'NoSuchName' = 1): pass",
         object(json!({"x": {"type": "integer", "description": "how many"}, "y": {"default": 1}}), &["x"])),
        ("from typing import *\ndef main(x: Annotated[int, 'how many']): pass",
         object(json!({"x": {"type": "integer", "description": "how many"}}), &["x"])),
    ])
    .await;
}

#[tokio::test]
async fn fields_keys_and_bounds_become_schemas() {
    schemas(&[
        ("from __future__ import annotations\nfrom typing import *\nclass T(TypedDict):\n    a: int\n    b: NotRequired[str]\ndef main(t: T): pass",
         object(json!({"t": object(json!({"a": {"type": "integer"}, "b": {"type": "string"}}), &["a"])}), &["t"])),
        ("import dataclasses\n@dataclasses.dataclass(kw_only=True)\nclass P:\n    a: dataclasses.InitVar[int]\n    b: str = None\n    c: int = dataclasses.field(init=False)\ndef main(p: P): pass",
         object(json!({"p": object(json!({"a": {"type": "integer"}, "b": {"type": ["string", "null"], "default": null}}), &["a"])}), &["p"])),
        ("from typing import *\nclass P(NamedTuple):\n    x: int\n    y: str = ''\ndef main(p: P): pass",
         object(json!({"p": {"type": "array", "prefixItems": [{"title": "x", "type": "integer"}, {"title": "y", "type": "string", "default": ""}], "minItems": 1, "maxItems": 2}}), &["p"])),
        ("def main(a: dict[int, str]): pass",
         object(json!({"a": {"type": "object", "propertyNames": {"pattern": "^(0|-?[1-9][0-9]*)$"}, "additionalProperties": {"type": "string"}}}), &["a"])),
        ("from typing import *\nclass Ge:\n    ge = 1\nclass Field:\n    description = 'some'\n    metadata = [Ge()]\n    max_length = 3\ndef main(n: Annotated[int, Field()], l: Annotated[list[int], Field()]): pass",
         object(json!({"n": {"type": "integer", "description": "some", "minimum": 1}, "l": {"type": "array", "items": {"type": "integer"}, "description": "some", "maxItems": 3}}), &["n", "l"])),
        ("from typing import *\nU = NewType('U', int)\nT = TypeVar('T')\nclass Box(Generic[T]): pass\ndef main(u: U, b: Box[int], c: Callable, d: type[int]): pass",
         object(json!({"u": {"type": "integer"}, "b": {}, "c": {}, "d": {}}), &["u", "b", "c", "d"])),
    ])
    .await;
}

#[tokio::test]
async fn a_hint_that_is_none_allows_anything() {
    let source = "class Odd:\n    def __eq__(self, other): raise RuntimeError\n    __hash__ = None\n    def __getattr__(self, name): raise RuntimeError(name)\n\
        def main(a: [1, 2], b: {'k': 1}, c: 3, d: Odd(), e: 'how many there are', f: print, g: list[Odd()], h: 'list[nothing]', *, i: lambda: 1 = Odd()) -> Odd(): pass";
    let any = ["a", "b", "c", "d", "e", "f", "h"].map(|name| (name.to_owned(), json!({})));
    let mut properties = serde_json::Map::from_iter(any);
    properties.insert("g".to_owned(), json!({"type": "array"}));
    properties.insert("i".to_owned(), json!({}));
    let required = ["a", "b", "c", "d", "e", "f", "g", "h"];
    schemas(&[(source, object(Value::Object(properties), &required))]).await;
    let done = crate::world::once(
        "def main(a: [1], b: {'k': 1}, c: 'odd words'): return [a, b, c]",
        r#"{"a": 1, "b": 2, "c": 3}"#,
    );
    assert_eq!(crate::world::output(&done.await), "[1,2,3]");
}

#[tokio::test]
async fn results_are_described_as_they_leave() {
    let host = host();
    for (hint, schema) in [
        ("datetime.datetime", json!({"type": "string"})),
        (
            "P",
            json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "default": 1}}, "required": ["a", "b"], "additionalProperties": false}),
        ),
    ] {
        let source = format!(
            "import dataclasses, datetime\n@dataclasses.dataclass\nclass P:\n    a: int\n    b: int = 1\n    c: dataclasses.InitVar[int] = 1\ndef main() -> {hint}: pass"
        );
        let told = described(&host, &source).await.output_schema.expect("one");
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), schema);
    }
}

#[tokio::test]
async fn a_class_inside_itself_is_a_reference_that_resolves() {
    let host = host();
    let source = "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass Node:\n    v: int\n    next: Node | None = None\ndef main(n: Node): pass";
    let described = described(&host, source).await;
    let schema: Value = serde_json::from_str(&described.input_schema.unwrap()).unwrap();
    assert_eq!(schema["properties"]["n"]["$ref"], "#/$defs/Node1");
    let node = &schema["$defs"]["Node1"];
    assert_eq!(node["properties"]["v"]["type"], "integer");
    assert!(
        node["properties"]["next"]
            .to_string()
            .contains("#/$defs/Node1")
    );
}

#[tokio::test]
async fn docstrings_kinds_and_return_hints_are_told() {
    let host = host();
    let main = described(
        &host,
        "\"\"\"Module.\"\"\"\ndef main() -> list[int]:\n    \"\"\"Adds.\n\n    Much.\n    \"\"\"",
    )
    .await;
    assert_eq!(main.entry, Entry::Main);
    assert_eq!(main.doc.as_deref(), Some("Adds.\n\nMuch."));
    assert_eq!(
        main.output_schema.as_deref(),
        Some(r#"{"type":"array","items":{"type":"integer"}}"#)
    );
    let script = described(&host, "\"\"\"Script.\"\"\"\nresult = 1").await;
    assert_eq!(
        (script.entry, script.doc.as_deref()),
        (Entry::Script, Some("Script."))
    );
    let handler = described(&host, "\"\"\"M.\"\"\"\ndef handler(i, c): pass").await;
    assert_eq!(
        (handler.entry, handler.doc.as_deref()),
        (Entry::Handler, Some("M."))
    );
    assert_eq!(handler.output_schema, None);
}

#[tokio::test]
async fn syntax_errors_have_line_and_column() {
    let host = host();
    for (source, line, column) in [
        ("def main():\n    return 1 +\n", 2, 15),
        ("x = = 1", 1, 5),
        ("def main(:\n  pass", 1, 10),
        ("if True:\nx = 1", 2, 1),
    ] {
        match verdict(&host, source).await {
            Verdict::Syntax(syntax) => {
                assert_eq!(
                    (syntax.line, syntax.column),
                    (line, column),
                    "{source}: {syntax:?}"
                );
                assert_eq!(syntax.file, "main.py");
            }
            other => panic!("{source}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_import_that_fails_is_told_with_its_traceback() {
    let host = host();
    let Verdict::Import(failure) = verdict(
        &host,
        "x = 1\nraise RuntimeError('no config')\ndef main(): pass",
    )
    .await
    else {
        panic!("described");
    };
    assert_eq!(failure.code, FailureCode::ImportError);
    assert_eq!(failure.message, "no config");
    assert!(failure.traceback.unwrap().contains("line 2"));
}

#[tokio::test]
async fn what_makes_a_version_single_use_is_told() {
    let host = host();
    for (import, left) in [
        ("pass", None),
        ("f = open('/etc/passwd')", Some(SingleUse::OpenFiles)),
        (
            "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
            Some(SingleUse::Threads),
        ),
        (
            "import subprocess; p = subprocess.Popen(['sleep', '60'])",
            Some(SingleUse::Processes),
        ),
        (
            "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
            Some(SingleUse::Sigchld),
        ),
        (
            "import os; os.setresuid(1001, 1001, 1001)",
            Some(SingleUse::User),
        ),
        (
            "import mmap; m = mmap.mmap(-1, 4096)",
            Some(SingleUse::SharedMemory),
        ),
        ("open('/tmp/left', 'w').close()", Some(SingleUse::Files)),
    ] {
        let source = format!("{import}\ndef main(): pass");
        assert_eq!(described(&host, &source).await.single_use, left, "{import}");
    }
}
