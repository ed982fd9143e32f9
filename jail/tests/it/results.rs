//! Results leave as exact JSON or not at all.

use jail::FailureCode;

use crate::world::{IMPORT, LIMITS, failure, host, output, run, sandbox};

/// Runs `def main()` with this body after these imports; one sandbox for all.
async fn answers(cases: &[(&str, &str)]) {
    let host = host();
    let mut sandbox = sandbox(&host, "import datetime, decimal, uuid, enum, dataclasses, collections, pathlib, json, types\n\
        class Colour(enum.Enum): RED = 'red'\nclass N(enum.IntEnum): ONE = 1\n\
        @dataclasses.dataclass\nclass P:\n    x: int\n    y: object = None\n\
        Pair = collections.namedtuple('Pair', 'a b')\n\
        def main(expression):\n    scope = {}\n    exec(expression, globals(), scope)\n    return scope['r']").await;
    for (expression, answer) in cases {
        let input = serde_json::json!({"expression": format!("r = {expression}")}).to_string();
        let done = run(&mut sandbox, &input).await;
        println!("{expression}");
        assert_eq!(output(&done), *answer, "{expression}");
    }
}

async fn refusals(cases: &[(&str, &str)]) {
    let host = host();
    let mut sandbox = sandbox(&host, "import collections\ndef main(expression):\n    scope = {}\n    exec(expression, globals(), scope)\n    return scope['r']").await;
    for (expression, pointer) in cases {
        let input = serde_json::json!({"expression": format!("r = {expression}")}).to_string();
        let done = run(&mut sandbox, &input).await;
        let failure = failure(&done);
        assert_eq!(
            failure.code,
            FailureCode::ResultNotSerializable,
            "{expression}"
        );
        assert_eq!(
            failure.pointer.as_deref(),
            Some(*pointer),
            "{expression}: {failure:?}"
        );
        assert!(done.reusable);
    }
}

#[tokio::test]
async fn documented_forms_are_as_documented() {
    answers(&[
        ("datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)", r#""2026-01-02T03:04:05+00:00""#),
        ("[datetime.date(2026, 1, 2), datetime.time(1, 2)]", r#"["2026-01-02","01:02:00"]"#),
        ("datetime.timedelta(minutes=1.5)", "90.0"),
        ("decimal.Decimal('1.10')", r#""1.10""#),
        ("uuid.UUID(int=1)", r#""00000000-0000-0000-0000-000000000001""#),
        ("[b'\\xff\\x00', bytearray(b'a'), memoryview(b'b')]", r#"["/wA=","YQ==","Yg=="]"#),
        ("[Colour.RED, N.ONE, {Colour.RED: 1}]", r#"["red",1,{"red":1}]"#),
        ("P(1, P(2))", r#"{"x":1,"y":{"x":2,"y":null}}"#),
        ("[{3, 1, 2}, (1, 2), Pair(1, 2), frozenset()]", "[[1,2,3],[1,2],[1,2],[]]"),
        ("pathlib.Path('/tmp/x')", r#""/tmp/x""#),
        ("[collections.OrderedDict(a=1), collections.deque([1]), types.MappingProxyType({'b': 2})]", r#"[{"a":1},[1],{"b":2}]"#),
        ("[True, False, None, 0, '']", r#"[true,false,null,0,""]"#),
    ])
    .await;
}

#[tokio::test]
async fn numbers_keep_every_digit_and_sign() {
    answers(&[
        (
            "{'id': 2**53 + 1, 'big': 2**63 + 1}",
            r#"{"id":9007199254740993,"big":9223372036854775809}"#,
        ),
        ("[-0.0, 1e308, 5e-324]", "[-0.0,1e+308,5e-324]"),
        (
            "{'t': 'nan', 's': 'To Infinity and beyond'}",
            r#"{"t":"nan","s":"To Infinity and beyond"}"#,
        ),
        (
            "[2**64, -2**70]",
            "[18446744073709551616,-1180591620717411303424]",
        ),
        ("{-0.0: 1}", r#"{"-0.0":1}"#),
        ("type('F', (float,), {})(-0.0)", "-0.0"),
        // A subclass leaves as the number it is, whatever it made of arithmetic.
        (
            "type('Metres', (float,), {'__add__': lambda s, o: 'no'})(1.5)",
            "1.5",
        ),
        ("type('I', (int,), {'__int__': lambda s: 5})(3)", "3"),
        (
            "[pathlib.Path('NaN'), pathlib.Path('Infinity')]",
            r#"["NaN","Infinity"]"#,
        ),
    ])
    .await;
    refusals(&[
        ("float('nan')", ""),
        ("[1, {'a': float('-inf')}]", "/1/a"),
        ("10**4300", ""),
        ("-(10**4300)", ""),
        // Whatever the code made of CPython's own bound.
        (
            "__import__('sys').set_int_max_str_digits(0) or 10**4300",
            "",
        ),
        ("[__import__('decimal').Decimal('NaN5')]", "/0"),
        ("[__import__('decimal').Decimal('-Infinity')]", "/0"),
    ])
    .await;
}

#[tokio::test]
async fn keys_become_strings_and_none_is_lost() {
    answers(&[
        (
            "{1: 'a', None: 'b', 2.5: 'c', True: 'd'}",
            r#"{"1":"d","null":"b","2.5":"c"}"#,
        ),
        ("{datetime.date(2026, 1, 2): 1}", r#"{"2026-01-02":1}"#),
    ])
    .await;
    refusals(&[
        ("{(1, 2): 'a'}", ""),
        ("{1: 'a', '1': 'b'}", "/1"),
        ("{'a': {None: 1, 'null': 2}}", "/a/null"),
        ("{'a/b': {'~': {float('nan'): 1}}}", "/a~1b/~0"),
    ])
    .await;
}

#[tokio::test]
async fn what_has_no_form_is_refused_with_its_place() {
    refusals(&[
        ("(i for i in [1])", ""),
        ("{'a': [1, {'b': open('/dev/null')}]}", "/a/1/b"),
        ("[object()]", "/0"),
        ("[1, len]", "/1"),
        ("{'a': [1, (i for i in [1])]}", "/a/1"),
        ("[{}.keys()]", "/0"),
        ("1j", ""),
        ("{'a': range(3)}", "/a"),
        ("__import__('enum').Enum('E', {'A': object()}).A", ""),
    ])
    .await;
}

#[tokio::test]
async fn a_value_that_fails_while_it_is_read_is_refused_with_its_place() {
    refusals(&[
        (
            "type('T', (), {'keys': lambda s: ['a'], '__getitem__': lambda s, k: 1 / 0})()",
            "",
        ),
        (
            "{'a': [0, type('D', (dict,), {'items': lambda s: 1 / 0})()]}",
            "/a/1",
        ),
        ("[type('L', (list,), {'__iter__': lambda s: 1 / 0})()]", "/0"),
        ("[type('L', (list,), {'__iter__': lambda s: exit(3)})()]", "/0"),
        (
            "[type('T', (), {'__class__': property(lambda s: 1 / 0)})()]",
            "/0",
        ),
        (
            "[type('NaT', (__import__('datetime').datetime,), {'__ne__': lambda s, o: True})(1, 1, 1)]",
            "/0",
        ),
    ])
    .await;
}

#[tokio::test]
async fn subclasses_leave_as_what_they_hold() {
    answers(&[
        (
            "type('S', (str,), {'__str__': lambda s: 'no'})('yes')",
            r#""yes""#,
        ),
        ("type('D', (dict,), {})(a=1)", r#"{"a":1}"#),
        (
            "collections.defaultdict(list, {type('S', (str,), {})('k'): [True]})",
            r#"{"k":[true]}"#,
        ),
        (
            "[enum.IntFlag('F', 'A B')(3), N.ONE, {N.ONE: 1}]",
            r#"[3,1,{"1":1}]"#,
        ),
        (
            "[collections.Counter('aab'), collections.ChainMap({'a': 1})]",
            r#"[{"a":2,"b":1},{"a":1}]"#,
        ),
        ("__import__('fractions').Fraction(1, 3)", r#""1/3""#),
        ("__import__('ipaddress').ip_address('::1')", r#""::1""#),
    ])
    .await;
}

#[tokio::test]
async fn what_has_a_list_of_numpy_s_or_fields_of_attrs_leaves_as_those() {
    let host = host();
    // Stand in for the libraries: only these names of them are known to the runner.
    let numpy = "class ndarray:\n    def __init__(self, plain): self.plain = plain\n    def tolist(self): return self.plain\n\
        class float64(float):\n    def tolist(self): return float(self)\nclass void:\n    def tolist(self): return self";
    let attrs = "class Field:\n    def __init__(self, name): self.name = name\nclass P:\n    __attrs_attrs__ = (Field('x'), Field('y'))\n    x, y = 1, [2]";
    let mut code = jail::Code::single(
        "import numpy, attrs\nVALUES = {'a': [numpy.ndarray([[1, 2.5]]), numpy.float64(1.5), attrs.P()], 'b': [numpy.ndarray([0, float('nan')])], 'c': [numpy.void()]}\ndef main(which): return VALUES[which]",
    );
    code.files.insert("numpy.py".to_owned(), numpy.to_owned());
    code.files.insert("attrs.py".to_owned(), attrs.to_owned());
    let generic = host.boot().await.unwrap();
    let bound = generic.bind(&code, &LIMITS, IMPORT).await.unwrap();
    let mut sandbox = bound.sandbox.unwrap();
    let done = run(&mut sandbox, r#"{"which": "a"}"#).await;
    assert_eq!(output(&done), r#"[[[1,2.5]],1.5,{"x":1,"y":[2]}]"#);
    for (which, pointer) in [("b", "/0/1"), ("c", "/0")] {
        let done = run(&mut sandbox, &format!("{{\"which\": \"{which}\"}}")).await;
        assert_eq!(failure(&done).pointer.as_deref(), Some(pointer));
    }
}

#[tokio::test]
async fn a_generator_function_is_no_result() {
    let host = host();
    for source in ["def main(): yield 1", "async def main(): yield 1"] {
        let mut sandbox = sandbox(&host, source).await;
        let done = run(&mut sandbox, "{}").await;
        assert_eq!(failure(&done).code, FailureCode::ResultNotSerializable);
        assert_eq!(failure(&done).pointer.as_deref(), Some(""));
    }
}

#[tokio::test]
async fn a_list_inside_itself_is_refused_and_says_why() {
    let host = host();
    let mut sandbox = sandbox(
        &host,
        "def main(key):\n    a = []\n    a.append({key: a})\n    return a",
    )
    .await;
    let done = run(
        &mut sandbox,
        &format!("{{\"key\": \"{}\"}}", "k".repeat(100)),
    )
    .await;
    let told = failure(&done);
    assert_eq!(told.code, FailureCode::ResultNotSerializable);
    assert!(
        told.message.ends_with("nested deeper than 128"),
        "{}",
        told.message
    );
}

#[tokio::test]
async fn integers_of_4300_digits_leave_and_arrive() {
    let host = host();
    let digits = "9".repeat(4_300);
    let mut sandbox = sandbox(&host, "def main(n: int): return -n").await;
    let done = run(&mut sandbox, &format!("{{\"n\": {digits}}}")).await;
    assert_eq!(output(&done), format!("-{digits}"));
}

#[tokio::test]
async fn a_coroutine_that_nobody_awaited_is_refused() {
    let host = host();
    let mut sandbox = sandbox(
        &host,
        "async def fetch(): pass\nasync def main(): return fetch()",
    )
    .await;
    let done = run(&mut sandbox, "{}").await;
    assert_eq!(failure(&done).code, FailureCode::ResultNotSerializable);
    assert_eq!(failure(&done).pointer.as_deref(), Some(""));
}

#[tokio::test]
async fn nul_is_legal_and_a_lone_surrogate_is_no_text() {
    answers(&[(
        "{'s': 'a\\0b', 'é': '→😀'}",
        "{\"s\":\"a\\u0000b\",\"é\":\"→😀\"}",
    )])
    .await;
    refusals(&[
        ("'\\ud800'", ""),
        ("{'\\ud800': 1}", "/\u{fffd}"),
        ("['ok', '\\udce9']", "/1"),
    ])
    .await;
}

#[tokio::test]
async fn depth_is_exact() {
    let host = host();
    let mut sandbox = sandbox(
        &host,
        "def main(n):\n    r = []\n    for _ in range(n - 1): r = [r]\n    return r",
    )
    .await;
    for (n, good) in [(100, true), (128, true), (129, false), (100_000, false)] {
        let done = run(&mut sandbox, &format!("{{\"n\": {n}}}")).await;
        match &done.result {
            Ok(bytes) => assert!(good && bytes.len() == 2 * n, "{n}"),
            Err(failure) => assert!(
                !good && failure.code == FailureCode::ResultNotSerializable,
                "{failure:?}"
            ),
        }
    }
    let done = run(&mut sandbox, "{\"n\": 1}").await;
    assert_eq!(output(&done), "[]");
}

#[tokio::test]
async fn large_inputs_and_integers_arrive_whole() {
    let host = host();
    let mut sandbox = sandbox(&host, "def main(s, n): return [len(s), str(n)]").await;
    let input = format!(
        "{{\"s\": \"{}\", \"n\": 9007199254740993}}",
        "é".repeat(500_000)
    );
    assert_eq!(
        output(&run(&mut sandbox, &input).await),
        r#"[500000,"9007199254740993"]"#
    );
}
