//! The rules of masking, one by one and at random.

use super::*;

fn shown(values: &[&str], text: &str) -> String {
    let shown = Mask::new(values).text(text.as_bytes()).into_owned();
    String::from_utf8(shown).expect("still text")
}

fn pushed(mask: &Mask, pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = mask.stream();
    let mut shown = Vec::new();
    for piece in pieces {
        shown.extend(stream.push(piece));
    }
    shown.extend(stream.finish());
    shown
}

#[test]
fn a_value_of_six_characters_is_covered_and_one_of_five_is_not() {
    assert_eq!(shown(&["sesame"], "open sesame!"), "open ***!");
    assert_eq!(shown(&["sesam"], "open sesame!"), "open sesame!");
    assert!(Mask::new(["a", "12345", ""]).is_empty());
    assert_eq!(shown(&["a"], "banana"), "banana");
    // Characters, not bytes.
    assert_eq!(shown(&["ééééé"], "ééééé"), "ééééé");
    assert_eq!(shown(&["éééééé"], "<éééééé>"), "<***>");
}

#[test]
fn a_value_of_many_lines_is_covered_whole_and_by_line() {
    let value = "-----BEGIN-----\nMIIEvQIBADAN\nab=\n-----END-----\n";
    assert_eq!(shown(&[value], &format!("<{value}>")), "<***\n>");
    assert_eq!(shown(&[value], "1 MIIEvQIBADAN\n2 ab=\n"), "1 ***\n2 ab=\n");
    assert_eq!(
        shown(&["first line\r\nsecond line"], "second line, first line"),
        "***, ***"
    );
}

#[test]
fn space_around_a_value_makes_no_difference_unless_it_is_the_value() {
    assert_eq!(shown(&["tok3n-of-ours\n"], "<tok3n-of-ours>"), "<***>");
    assert_eq!(shown(&["  ab  "], "<  ab  >"), "<***>");
}

#[test]
fn overlapping_and_nested_values_are_covered_to_their_last_byte() {
    let values = ["abcdefgh", "efghijkl", "cdefgh"];
    assert_eq!(shown(&values, "-abcdefghijkl-"), "-***-");
    assert_eq!(shown(&values, "-cdefghijkl-"), "-***-");
    assert_eq!(shown(&["aaaaaa"], "aaaaaaaaaab"), "***b");
    assert_eq!(
        shown(&["hunter22", "hunter2234"], "hunter223 hunter2234"),
        "***3 ***"
    );
    assert_eq!(shown(&["hunter22"], "hunterhunter22"), "hunter***");
}

#[test]
fn a_value_is_covered_as_json_and_python_escape_it() {
    let value = "p\"a's\\s/wörd\n\u{1f600}\t!";
    for text in [
        value,
        // Python's json, serde_json, and those that escape the slash.
        r#"p\"a's\\s/w\u00f6rd\n\ud83d\ude00\t!"#,
        r#"p\"a's\\s/wörd\n😀\t!"#,
        r#"p\"a's\\s\/w\u00F6rd\n\uD83D\uDE00\t!"#,
        // repr of the text and of its bytes, and ascii.
        r#"p"a\'s\\s/wörd\n😀\t!"#,
        r#"p"a\'s\\s/w\xc3\xb6rd\n\xf0\x9f\x98\x80\t!"#,
        r#"p"a\'s\\s/w\xf6rd\n\U0001f600\t!"#,
    ] {
        assert_eq!(
            shown(&[value], &format!("<\\d {text}>")),
            "<\\d ***>",
            "{text}"
        );
    }
}

#[test]
fn what_only_looks_like_an_escape_stays() {
    for text in [
        r"\q \x1 \xzz \u12 \ud83d \ud83d\u0041 \ud83dx \U00110000 \",
        r"C:\new\user\\",
    ] {
        assert_eq!(shown(&["sesame"], text), text);
        assert_eq!(
            shown(&["sesame"], &format!("{text} sesame")),
            format!("{text} ***")
        );
    }
    // A half that leads nowhere is followed by a value whose first letter is escaped.
    assert_eq!(shown(&["sesame"], r"\ud83d\u0073esame"), r"\ud83d***");
}

#[test]
fn a_stream_holds_back_only_what_may_become_a_value() {
    let mut stream = Mask::new(["sesame"]).stream();
    assert_eq!(stream.push(b"open ses"), b"open ");
    assert_eq!(stream.push(b"sion"), b"session");
    assert_eq!(stream.push(b" sesam"), b" ");
    assert_eq!(stream.push(b"e"), b"");
    assert_eq!(stream.push(b"!"), b"***!");
    assert_eq!(stream.push(b"se"), b"");
    assert_eq!(stream.finish(), b"se");
}

#[test]
fn the_beginning_of_a_value_at_a_cut_is_covered() {
    let mask = Mask::new(["sesame", "über-geheim"]);
    let cut = |text: &str| String::from_utf8_lossy(&mask.cut_text(text.as_bytes())).into_owned();
    assert_eq!(cut("open sesa"), "open ***");
    assert_eq!(cut("open s"), "open ***");
    assert_eq!(cut("open sesame"), "open ***");
    assert_eq!(cut(r"open \u00fcber-g"), "open ***");
    assert_eq!(cut(r"open \u00f"), "open ***");
    assert_eq!(cut("open ü"), "open ***");
    assert_eq!(cut("open"), "open");
}

#[test]
fn debugging_a_mask_shows_nothing() {
    let mask = Mask::new(["sesame"]);
    let mut stream = mask.stream();
    stream.push(b"sesam");
    assert_eq!(format!("{mask:?} {stream:?}"), "Mask MaskStream");
}

#[test]
fn a_masked_json_text_is_one_still() {
    let values = [
        "n23456",
        "123456",
        "p\"a's\ns",
        r#"{"user":"bob","n":1}"#,
        "true-or",
        "1.5,2.5",
    ];
    let mask = Mask::new(values);
    for (text, wanted) in [
        // The escape before it is no part of it.
        (r#"["\n23456", "n23456"]"#, r#"["\n23456", "***"]"#),
        (
            r#"{"pin": 123456, "more": -9123456.0}"#,
            r#"{"pin": "***", "more": "***"}"#,
        ),
        (
            r#"{"a": "123456", "b": [1, true, null]}"#,
            r#"{"a": "***", "b": [1, true, null]}"#,
        ),
        (r#"["p\"a's\ns", "p\u0022a's\u000as"]"#, r#"["***", "***"]"#),
        // A JSON text in a JSON text.
        (
            r#"["{\"x\": \"p\\\"a's\\ns\"}"]"#,
            r#"["{\"x\": \"***\"}"]"#,
        ),
        (
            r#"{"n23456":1,"123456":{"xn23456":2}}"#,
            r#"{"***":1,"***2":{"x***":2}}"#,
        ),
        // Keys that look as if they were covered.
        (
            r#"{"***":1,"n23456":2,"***2":3,"an23456":4,"***4":5}"#,
            r#"{"***":1,"***2":2,"***23":3,"a***":4,"***4":5}"#,
        ),
        // Secret as a whole, harmless in pieces.
        (r#"{"user":"bob","n":1}"#, r#""***""#),
        ("[1.5,2.5]", r#""***""#),
        ("[1.5, 2.5]", "[1.5, 2.5]"),
        // A quotation that its author cut; no value begins there.
        (
            r#"["n2345 […]", "n2345[…]"]"#,
            r#"["n2345 […]", "n2345[…]"]"#,
        ),
        (r#""\\""#, r#""\\""#),
        ("12345", "12345"),
    ] {
        let shown = String::from_utf8(mask.json(text.as_bytes().to_vec())).expect("text");
        assert_eq!(shown, wanted, "{text}");
        serde_json::from_str::<serde_json::Value>(&shown).expect("JSON");
    }
    let broken = mask.json(b"[\"n23456".to_vec());
    assert_eq!(broken, b"[\"***");
}

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("a small number")
    }

    fn text(&mut self, length: usize) -> String {
        // Few letters, so that values overlap, nest and begin again.
        let letters = ['a', 'b', 'a', '\n', '"', '\\', 'é', '😀'];
        (0..length)
            .map(|_| letters[self.below(letters.len())])
            .collect()
    }
}

/// Covers one byte at a time, as the rules say it: the slow way to the same answer.
fn slowly(values: &[String], text: &[u8]) -> Vec<u8> {
    let texts: Vec<Vec<u8>> = values
        .iter()
        .flat_map(|value| covered(value))
        .flat_map(|text| {
            escaped_as_bytes(text)
                .chain([text.as_bytes().to_vec()])
                .collect::<Vec<_>>()
        })
        .collect();
    let mut marked = vec![false; text.len()];
    let mut meaning: Vec<(u8, usize, usize)> = Vec::new();
    let mut escapes = escapes::Escapes::default();
    for (index, &byte) in text.iter().enumerate() {
        escapes.read(byte, index as u64 + 1, &mut |meant| {
            let place = |at: u64| usize::try_from(at).expect("short");
            meaning.push((meant.byte, place(meant.start), place(meant.end)));
        });
    }
    let meant: Vec<u8> = meaning.iter().map(|&(byte, ..)| byte).collect();
    for wanted in texts {
        let wanted = &wanted[..];
        for at in 0..text.len() {
            if text[at..].starts_with(wanted) {
                marked[at..at + wanted.len()].fill(true);
            }
            if meant.get(at..).is_some_and(|rest| rest.starts_with(wanted)) {
                marked[meaning[at].1..meaning[at + wanted.len() - 1].2].fill(true);
            }
        }
    }
    let mut shown = Vec::new();
    for (at, &byte) in text.iter().enumerate() {
        if !marked[at] {
            shown.push(byte);
        } else if at == 0 || !marked[at - 1] {
            shown.extend_from_slice(COVER.as_bytes());
        }
    }
    shown
}

#[test]
fn random_values_in_random_pieces_are_covered_as_the_rules_say() {
    let mut dice = Dice(0x5eed);
    let mut covers = 0;
    for _ in 0..3_000 {
        let values: Vec<String> = (0..1 + dice.below(4))
            .map(|_| {
                let length = 4 + dice.below(12);
                dice.text(length)
            })
            .collect();
        let mut text = String::new();
        for _ in 0..1 + dice.below(8) {
            let value = values[dice.below(values.len())].clone();
            let length = dice.below(5);
            match dice.below(4) {
                0 => text.push_str(&value),
                1 => text.push_str(&serde_json::to_string(&value).expect("text")),
                2 => text
                    .push_str(&value[..value.char_indices().nth(length).map_or(0, |(at, _)| at)]),
                _ => text.push_str(&dice.text(length)),
            }
        }
        let mask = Mask::new(&values);
        let whole = mask.text(text.as_bytes()).into_owned();
        assert_eq!(
            whole,
            slowly(&values, text.as_bytes()),
            "{values:?} in {text:?}"
        );
        covers += usize::from(whole != text.as_bytes());

        let mut pieces: Vec<&[u8]> = Vec::new();
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + dice.below(rest.len().min(7)));
            pieces.push(piece);
            rest = after;
        }
        assert_eq!(pushed(&mask, &pieces), whole, "{values:?} in {pieces:?}");
        let shown = String::from_utf8(whole).expect("covers between characters");
        for value in values.iter().filter(|value| is_long(value)) {
            assert!(!shown.contains(value.as_str()), "{value:?} in {shown:?}");
        }
    }
    assert!(covers > 1_000, "only {covers} texts had a value");
}

#[test]
fn a_no_break_space_is_covered_as_python_shows_it() {
    // str(KeyError("p\xa0ss w\xf6rt")) and ascii() of it.
    for text in [r"'p\xa0ss wört'", r"'p\xa0ss w\xf6rt'", "p\u{a0}ss wört"] {
        let covered = shown(&["p\u{a0}ss wört"], text);
        assert!(!covered.contains("ss"), "{covered}");
    }
}

#[test]
fn a_value_with_many_beginnings_is_as_quick_as_another() {
    // Each of 120 letters may follow each: a list of them would be walked for each byte.
    let letters: Vec<char> = ('!'..='~').chain('\u{100}'..'\u{118}').collect();
    let value: String = letters
        .iter()
        .flat_map(|one| {
            letters
                .iter()
                .map(move |other| format!("a{one}{other}zzz\n"))
        })
        .collect();
    let mask = Mask::new([&value]);
    let text = "a~".repeat(1 << 20);
    assert_eq!(mask.text(text.as_bytes()).len(), text.len());
}

#[test]
fn a_text_made_to_be_slow_is_read_once() {
    // Each place begins the value anew; comparing at each would take 4·10¹⁰ steps.
    let value = format!("{}b", "a".repeat(64 << 10));
    let text = "a".repeat(512 << 10);
    let mask = Mask::new([&value]);
    let mut stream = mask.stream();
    let mut shown = 0;
    for piece in text.as_bytes().chunks(3) {
        shown += stream.push(piece).len();
    }
    assert_eq!(shown, text.len() - value.len() + 1);
    assert_eq!(shown + stream.finish().len(), text.len());
}
