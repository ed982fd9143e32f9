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
            "from datetime import date\ndef main(a: date = None, *, b: date = None): return [a, b]",
            r#"{"a": null, "b": "2026-01-01"}"#,
            r#"[null,"2026-01-01"]"#,
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
async fn integers_written_with_a_point_or_a_power_are_exact() {
    let host = host();
    let light = "def main(n: int, other=None): return n if other is None else [n, other]";
    let inner = "import dataclasses\n@dataclasses.dataclass\nclass N:\n    n: int\ndef main(ns: list[N]): return ns[0].n";
    let decimal = "from decimal import Decimal\ndef main(d: Decimal): return d";
    for (source, input, answer) in [
        (light, r#"{"n": 5.0}"#, "5"),
        (light, r#"{"n": 1e30}"#, "1000000000000000000000000000000"),
        (light, r#"{"n": -1.50E+3}"#, "-1500"),
        (light, r#"{"n": 120e-1}"#, "12"),
        (light, r#"{"n": 0.00e999999999}"#, "0"),
        (light, r#"{"n": -0.0}"#, "0"),
        (light, r#"{"n": 9007199254740993.0}"#, "9007199254740993"),
        (
            light,
            r#"{"other": [1e23, 5.0], "n": 1e23}"#,
            "[100000000000000000000000,[1e+23,5.0]]",
        ),
        (
            inner,
            r#"{"ns": [{"n": 1e23}]}"#,
            "100000000000000000000000",
        ),
        (decimal, r#"{"d": 1.10}"#, r#""1.10""#),
        (
            decimal,
            r#"{"d": 0.12345678901234567890123}"#,
            r#""0.12345678901234567890123""#,
        ),
    ] {
        let mut sandbox = sandbox(&host, source).await;
        for _ in 0..2 {
            assert_eq!(output(&run(&mut sandbox, input).await), answer, "{input}");
        }
    }
}

#[tokio::test]
async fn what_a_double_only_rounds_to_an_integer_is_none() {
    let host = host();
    let long = format!("1{}.5e-399", "0".repeat(399));
    let mut light = sandbox(&host, "def main(n: int): return n").await;
    let mut listed = sandbox(&host, "def main(n: list[int]): return n[0]").await;
    for number in [
        "9007199254740992.5",
        "0.99999999999999999999",
        "1e-400",
        "1e-999999999999999999999",
        &long,
    ] {
        let done = run(&mut light, &format!("{{\"n\": {number}}}")).await;
        let told = failure(&done);
        assert_eq!(told.kind.as_deref(), Some("ValueError"), "{number}");
        assert!(told.message.starts_with("argument n: "), "{told:?}");
        let done = run(&mut listed, &format!("{{\"n\": [{number}]}}")).await;
        assert_eq!(failure(&done).message, told.message);
    }
    let mut float = sandbox(&host, "def main(n: float): return n").await;
    let done = run(&mut float, &format!("{{\"n\": 1{}}}", "0".repeat(400))).await;
    assert!(failure(&done).message.starts_with("argument n: "));
}

#[tokio::test]
async fn a_class_that_refuses_a_value_shows_its_own_line() {
    let source = "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    def __post_init__(self):\n        raise ValueError('too small')\ndef main(p: P): pass";
    let done = once(source, r#"{"p": {"x": 1}}"#).await;
    let told = failure(&done);
    assert_eq!(told.message, "argument p: too small");
    let traceback = told.traceback.as_deref().unwrap_or_default();
    assert!(
        traceback.contains("raise ValueError('too small')") && !traceback.contains("patchbay"),
        "{traceback}"
    );
}

#[tokio::test]
async fn hints_behind_a_partial_a_method_and_a_class_are_read() {
    let host = host();
    for (source, input, answer) in [
        (
            "import functools\nfrom datetime import date\ndef f(a, day: date): return [a, day.year]\nmain = functools.partial(f, 1)",
            r#"{"day": "2026-01-02"}"#,
            "[1,2026]",
        ),
        (
            "from datetime import date\nclass A:\n    def f(self, day: date): return day.year\nmain = A().f",
            r#"{"day": "2026-01-02"}"#,
            "2026",
        ),
        (
            "from datetime import date\nclass main(dict):\n    def __init__(self, day: date): super().__init__(year=day.year)",
            r#"{"day": "2026-01-02"}"#,
            r#"{"year":2026}"#,
        ),
    ] {
        let mut sandbox = sandbox(&host, source).await;
        assert_eq!(output(&run(&mut sandbox, input).await), answer, "{source}");
    }
}

/// A schema of the user's own may let through what the hints can't mean.
#[tokio::test]
async fn what_a_hint_cannot_mean_is_refused_by_the_name_of_its_argument() {
    let host = host();
    for (source, input, words) in [
        (
            "from datetime import date\ndef main(d: dict[date, int]): pass",
            r#"{"d": {"2026-01-02": 1, "20260102": 2}}"#,
            "argument d: two keys mean the same",
        ),
        (
            "import enum\nclass E(enum.IntEnum):\n    ONE = 1\ndef main(e: E): pass",
            r#"{"e": true}"#,
            "argument e: True is none of",
        ),
        (
            "def main(l: set[int]): pass",
            r#"{"l": {"a": 1}}"#,
            "argument l: an array is wanted",
        ),
        (
            "def main(l: tuple): pass",
            r#"{"l": "ab"}"#,
            "argument l: an array is wanted",
        ),
        (
            "from typing import *\nclass T(TypedDict):\n    a: int\ndef main(t: T): pass",
            r#"{"t": {}}"#,
            "argument t: T needs a",
        ),
        (
            "def main(b: bytes): pass",
            r#"{"b": "YW=I"}"#,
            "argument b: ",
        ),
        (
            "def main(d: dict[int, int]): pass",
            r#"{"d": {"01": 1}}"#,
            "argument d: the key 01 is not written as an integer",
        ),
    ] {
        let mut sandbox = sandbox(&host, source).await;
        let done = run(&mut sandbox, input).await;
        let told = failure(&done);
        assert_eq!(told.kind.as_deref(), Some("ValueError"), "{source}");
        assert!(told.message.starts_with(words), "{told:?}");
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
