//! What `main` is given is what its signature and hints say.

use jail::FailureCode;

use crate::world::{failure, host, once, output, run, sandbox};

#[tokio::test]
async fn hints_of_the_standard_library_make_real_objects() {
    let host = host();
    for (source, input, answer) in [
        (
            "from datetime import date, datetime\ndef main(day: date, at: datetime): return [type(day).__name__, at.tzinfo is not None, at.minute]",
            r#"{"day": "2026-02-28", "at": "2026-03-29T02:30:00.000Z"}"#,
            r#"["date",true,30]"#,
        ),
        (
            "from uuid import UUID\nfrom decimal import Decimal\ndef main(u: UUID, d: Decimal, e: Decimal): return [type(u).__name__, str(d), str(e)]",
            r#"{"u": "00000000-0000-0000-0000-000000000001", "d": "1.10", "e": 2}"#,
            r#"["UUID","1.10","2"]"#,
        ),
        (
            "from enum import Enum\nclass C(Enum):\n    RED = 'red'\n    TWO = 2\ndef main(a: C, b: C): return [a.name, b.name]",
            r#"{"a": "red", "b": 2}"#,
            r#"["RED","TWO"]"#,
        ),
        (
            "from typing import Optional, Literal\nfrom datetime import date\ndef main(a: Optional[date], b: date | None = None, c: Literal['x', 1] = 'x'): return [a, b is None, c]",
            r#"{"a": null, "c": 1}"#,
            "[null,true,1]",
        ),
        (
            "from datetime import date\ndef main(a: list[date], b: dict[str, date], c: tuple[int, date], d: set[int]): return [type(a[0]).__name__, type(b['k']).__name__, type(c[1]).__name__, type(d).__name__]",
            r#"{"a": ["2026-01-01"], "b": {"k": "2026-01-01"}, "c": [1, "2026-01-01"], "d": [1, 1]}"#,
            r#"["date","date","date","set"]"#,
        ),
    ] {
        let mut sandbox = sandbox(&host, source).await;
        assert_eq!(output(&run(&mut sandbox, input).await), answer, "{source}");
    }
}

#[tokio::test]
async fn classes_wrappers_and_kinds_of_parameters_are_read() {
    let host = host();
    for (source, input, answer) in [
        (
            "from dataclasses import dataclass\nfrom datetime import date\n@dataclass\nclass Inner: day: date\n@dataclass\nclass Outer:\n    inner: Inner\n    many: list[Inner]\n    n: int = 5\ndef main(o: Outer): return [type(o.inner.day).__name__, len(o.many), o.n]",
            r#"{"o": {"inner": {"day": "2026-01-01"}, "many": [{"day": "2026-01-02"}]}}"#,
            r#"["date",1,5]"#,
        ),
        (
            "from __future__ import annotations\nfrom datetime import timedelta\nimport pathlib\ndef main(t: timedelta, p: pathlib.Path, raw: bytes): return [t.total_seconds(), p.name, len(raw)]",
            r#"{"t": 90, "p": "/a/b", "raw": "YWI="}"#,
            r#"[90.0,"b",2]"#,
        ),
        (
            "def main(n: int, f: float, b: bool): return [repr(n), repr(f), b]",
            r#"{"n": 5.0, "f": 2, "b": false}"#,
            r#"["5","2.0",false]"#,
        ),
        (
            "def main(a, *, b=2, **rest): return [a, b, rest]",
            r#"{"a": 1, "c": 3}"#,
            r#"[1,2,{"c":3}]"#,
        ),
        (
            "def main(a, /, b): return [a, b]",
            r#"{"a": 1, "b": 2}"#,
            "[1,2]",
        ),
        (
            "class M:\n    def __call__(self, x: int): return x\nmain = M()",
            r#"{"x": 4}"#,
            "4",
        ),
        (
            "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def inner(**k): return f(**k)\n    return inner\nfrom datetime import date\n@deco\ndef main(d: date): return d.year",
            r#"{"d": "2026-01-01"}"#,
            "2026",
        ),
        (
            "from typing import TypedDict\nfrom datetime import date\nclass T(TypedDict):\n    d: date\ndef main(t: T): return t['d'].year",
            r#"{"t": {"d": "2026-01-01"}}"#,
            "2026",
        ),
    ] {
        let mut sandbox = sandbox(&host, source).await;
        assert_eq!(output(&run(&mut sandbox, input).await), answer, "{source}");
    }
}

#[tokio::test]
async fn a_single_catch_all_gets_any_json_value_as_it_is() {
    let host = host();
    for source in [
        "def main(input): return input",
        "def main(event: dict): return event",
        "from typing import Any\ndef main(input: Any): return input",
        "def handler(input, context): return input",
        "result = input",
    ] {
        let mut sandbox = sandbox(&host, source).await;
        for input in [r#"{"data":1}"#, "[1]", "null", "0", "false", r#""""#] {
            assert_eq!(output(&run(&mut sandbox, input).await), input, "{source}");
        }
    }
}

#[tokio::test]
async fn another_single_parameter_is_a_keyword() {
    let host = host();
    for source in [
        "def main(data): return data",
        "def main(input: int): return input",
        "def main(input=5): return input",
    ] {
        let name = if source.contains("data") {
            "data"
        } else {
            "input"
        };
        let mut sandbox = sandbox(&host, source).await;
        let done = run(&mut sandbox, &format!("{{\"{name}\": 1}}")).await;
        let expected = if source.contains("=5") {
            r#"{"input":1}"#
        } else {
            "1"
        };
        assert_eq!(output(&done), expected, "{source}");
    }
}

#[tokio::test]
async fn an_input_that_does_not_fit_is_the_code_s_exception() {
    let host = host();
    for (source, input, words) in [
        (
            "def main(x): pass",
            "[1]",
            "from a JSON object, not from an array",
        ),
        ("def main(x): pass", "null", "not from null"),
        (
            "from datetime import date\ndef main(d: date): pass",
            r#"{"d": "2026-02-30"}"#,
            "argument d",
        ),
        ("def main(x): pass", r#"{"x": 1, "y": 2}"#, "y"),
    ] {
        let mut sandbox = sandbox(&host, source).await;
        let done = run(&mut sandbox, input).await;
        assert_eq!(failure(&done).code, FailureCode::Exception);
        assert!(
            failure(&done).message.contains(words),
            "{:?}",
            failure(&done)
        );
    }
}

#[tokio::test]
async fn a_callable_that_does_not_tell_its_parameters_gets_what_there_is() {
    assert_eq!(
        output(&once("main = dict", r#"{"a": 1}"#).await),
        r#"{"a":1}"#
    );
}

#[tokio::test]
async fn no_parameters_take_an_empty_object() {
    assert_eq!(output(&once("def main(): pass", "{}").await), "null");
}
