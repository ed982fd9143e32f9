//! JSON texts, some of them strange: every escape, numbers on their bounds, any nesting.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "7",
    "0.5",
    "5.0",
    "1e3",
    "-1E-7",
    "1e400",
    "-1e400",
    "1e-400",
    "1e308",
    "0.1e309",
    "2.2250738585072014e-308",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "123456789012345678901234567890",
    "0.30000000000000004",
    // No numbers.
    "01",
    "-",
    "1.",
    ".5",
    "+1",
    "1e",
    "1e+",
    "NaN",
    "Infinity",
    "-Infinity",
    "0x10",
    "1_0",
];
const PIECES: &[&str] = &[
    "a",
    "key",
    "é",
    "→",
    "\u{1f600}",
    "\\n",
    "\\\"",
    "\\\\",
    "\\/",
    "\\b",
    "\\f",
    "\\r",
    "\\t",
    "\\u0041",
    "\\u00e9",
    "\\ud83d\\ude00",
    "\\u0000",
    " ",
    "/",
    "~",
    "~1",
    "$ref",
    "#",
    // Halves of characters, and what is no escape.
    "\\ud83d",
    "\\ude00",
    "\\ud83d\\ud83d",
    "\\ud83dx",
    "\\u12g4",
    "\\x",
    "\\U0001f600",
    "\u{1}",
    "\u{7f}",
    "\n",
];
/// How many of the lists' first are good.
const GOOD_NUMBERS: usize = 22;
const GOOD_PIECES: usize = 23;

/// Most of them JSON.
pub fn texts() -> impl Strategy<Value = Vec<u8>> {
    texts_with(&[])
}

/// The same, with these in half of its strings, as they stand between quotes.
pub fn texts_with(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let deep = (120..135_usize, any::<bool>()).prop_map(|(depth, objects)| {
        let (open, close) = if objects {
            ("{\"a\":", "}")
        } else {
            ("[", "]")
        };
        [&open.repeat(depth), "0", &close.repeat(depth)].concat()
    });
    let long = (4_290..4_310_usize, "-?").prop_map(|(digits, sign)| sign + &"9".repeat(digits));
    prop_oneof![
        20 => crate::nearly(document(pieces).prop_map(String::into_bytes)),
        1 => crate::nearly(deep.prop_map(String::into_bytes)),
        1 => long.prop_map(String::into_bytes),
    ]
}

fn document(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => string_with(pieces),
        3 => number(),
        2 => select(&["null", "true", "false"][..]).prop_map(str::to_owned),
    ];
    let value = leaf.prop_recursive(4, 24, 4, move |inner| {
        let members = vec((string_with(pieces), space(), inner.clone()), 0..4);
        prop_oneof![
            (vec(inner, 0..4), space()).prop_map(|(items, space)| {
                format!("[{space}{}{space}]", items.join(&format!("{space},")))
            }),
            (members, space()).prop_map(|(members, space)| {
                let members: Vec<String> = members
                    .into_iter()
                    .map(|(name, between, value)| format!("{space}{name}{between}:{value}"))
                    .collect();
                format!("{{{}{space}}}", members.join(","))
            }),
        ]
    });
    (space(), value, space()).prop_map(|(before, value, after)| before + &value + &after)
}

fn space() -> impl Strategy<Value = String> {
    select(&["", "", "", " ", "\n", "\t \r\n"][..]).prop_map(str::to_owned)
}

/// A text with its quotes.
pub fn string() -> impl Strategy<Value = String> {
    string_with(&[])
}

fn string_with(more: &'static [&'static str]) -> impl Strategy<Value = String> {
    let more = if more.is_empty() {
        &PIECES[..GOOD_PIECES]
    } else {
        more
    };
    let piece = prop_oneof![
        12 => select(&PIECES[..GOOD_PIECES]),
        1 => select(&PIECES[GOOD_PIECES..]),
    ];
    let pieces = prop_oneof![vec(piece, 0..5), vec(select(more), 0..4),];
    pieces.prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(&NUMBERS[..GOOD_NUMBERS]).prop_map(str::to_owned),
        1 => select(&NUMBERS[GOOD_NUMBERS..]).prop_map(str::to_owned),
        4 => any::<i64>().prop_map(|number| number.to_string()),
        2 => any::<f64>().prop_filter("a number", |float| float.is_finite())
            .prop_map(|float| float.to_string()),
        2 => "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?",
    ]
}
