//! What one who follows is told, whatever it has and wherever the rest comes from.

use super::*;
use crate::execution::FinalState;
use crate::live_log::{Piece, Teller};

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap()
}

fn piece(stream: Stream, text: &str) -> Piece {
    Piece {
        stream,
        text: text.to_owned(),
        at: at(1),
    }
}

fn batch(teller: &mut Teller, pieces: &[(Stream, &str)]) -> Batch {
    let pieces = pieces.iter().map(|(stream, text)| piece(*stream, text));
    let [batch] = teller.tell(pieces.collect()).try_into().unwrap();
    Batch::decode(&batch).unwrap()
}

fn ending(run: Option<i64>, attempt: u32) -> Ending {
    Ending {
        state: FinalState::Succeeded,
        error_code: None,
        attempt,
        started_at: run.map(at),
        finished_at: at(9),
        duration_us: run.map(|_| 1),
        cpu_us: None,
        memory_peak_bytes: None,
        network_in_bytes: None,
        network_out_bytes: None,
    }
}

fn logs(stdout: &str, stderr: &str) -> Logs {
    Logs {
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
        truncated: false,
    }
}

/// Texts and ids, as a stream has them.
fn shown(told: &[Told]) -> Vec<String> {
    let shown = told.iter().map(|told| match told {
        Told::Text {
            stream,
            text,
            place,
            ..
        } => format!("{stream:?} {text:?} {place}"),
        Told::Restart { attempt, place } => format!("restart {attempt} {place}"),
    });
    shown.collect()
}

const OUT: Stream = Stream::Stdout;
const ERR: Stream = Stream::Stderr;

#[test]
fn the_stored_log_goes_on_where_the_last_batch_ended() {
    let mut teller = Teller::new(at(5), 1);
    let mut following = Following::after(None);
    let first = batch(&mut teller, &[(OUT, "é\n"), (ERR, "e\n"), (OUT, "b")]);
    let told = following.batch(first);
    let expected = [
        r#"Stdout "é\n" 5-3-0"#,
        r#"Stderr "e\n" 5-3-2"#,
        r#"Stdout "b" 5-4-2"#,
    ];
    assert_eq!(shown(&told), expected);
    let told = following.rest(&logs("é\nb\n", "e\nf"), &ending(Some(5), 1));
    assert_eq!(
        shown(&told),
        [r#"Stdout "\n" 5-5-2"#, r#"Stderr "f" 5-5-3"#]
    );
    assert_eq!(
        following.rest(&logs("é\nb\n", "e\nf"), &ending(Some(5), 1)),
        []
    );
}

#[test]
fn after_every_event_the_rest_comes_whole_and_once_from_either_source() {
    let pieces: &[&[(Stream, &str)]] = &[
        &[(OUT, "a→\n"), (ERR, "1\n"), (OUT, "b")],
        &[(ERR, "2"), (ERR, "3\n")],
        &[(OUT, "\nc\n")],
    ];
    let mut teller = Teller::new(at(5), 1);
    let batches: Vec<_> = pieces.iter().map(|p| batch(&mut teller, p)).collect();
    let mut all = Following::after(None);
    let told: Vec<_> = batches
        .iter()
        .flat_map(|batch| all.batch(batch.clone()))
        .collect();
    for seen in 1..=told.len() {
        let Told::Text { place, .. } = told[seen - 1] else {
            panic!("only text");
        };
        let id: Place = place.to_string().parse().unwrap();
        let mut again = Following::after(Some(id));
        let rest: Vec<_> = batches
            .iter()
            .flat_map(|batch| again.batch(batch.clone()))
            .collect();
        assert_eq!(rest, told[seen..], "after {id}");
        let mut stored = Following::after(Some(id));
        let rest = stored.rest(&logs("a→\nb\nc\n", "1\n23\n"), &ending(Some(5), 1));
        for (stream, whole) in [(OUT, "a→\nb\nc\n"), (ERR, "1\n23\n")] {
            let text: String = told[..seen]
                .iter()
                .chain(&rest)
                .filter_map(|told| match told {
                    Told::Text {
                        stream: of, text, ..
                    } if *of == stream => Some(text.as_str()),
                    _ => None,
                })
                .collect();
            assert_eq!(text, whole, "after {id}");
        }
    }
}

#[test]
fn a_batch_that_comes_twice_adds_nothing_and_one_after_a_gap_waits_for_the_end() {
    let mut teller = Teller::new(at(5), 1);
    let first = batch(&mut teller, &[(OUT, "1\n")]);
    let _lost = batch(&mut teller, &[(OUT, "2\n")]);
    let third = batch(&mut teller, &[(OUT, "3\n")]);
    let mut following = Following::after(None);
    assert_eq!(following.batch(third.clone()), []);
    assert_eq!(following.batch(first.clone()).len(), 1);
    assert_eq!(following.batch(first), []);
    assert_eq!(following.batch(third), []);
    let told = following.rest(&logs("1\n2\n3\n", ""), &ending(Some(5), 1));
    assert_eq!(shown(&told), [r#"Stdout "2\n3\n" 5-6-0"#]);
}

#[test]
fn another_run_begins_anew_and_says_so() {
    let mut following = Following::after(Some("4-9-9".parse().unwrap()));
    let mut teller = Teller::new(at(5), 2);
    let told = following.batch(batch(&mut teller, &[(OUT, "x\n")]));
    assert_eq!(shown(&told), ["restart 2 5-0-0", r#"Stdout "x\n" 5-2-0"#]);
    let told = following.rest(&logs("y\n", ""), &ending(Some(6), 3));
    assert_eq!(shown(&told), ["restart 3 6-0-0", r#"Stdout "y\n" 6-2-0"#]);
}

#[test]
fn what_was_told_of_a_run_is_taken_back_where_the_log_has_nothing_of_it() {
    let told_of = |place: &str| Following::after(Some(place.parse().unwrap()));
    let nothing = logs("", "");
    // The second run printed nothing.
    let told = told_of("5-2-0").rest(&nothing, &ending(Some(6), 2));
    assert_eq!(shown(&told), ["restart 2 6-0-0"]);
    // No run ended: its worker was lost. Its row may know when the first one began.
    let mut following = told_of("5-2-0");
    let told = following.rest(&nothing, &ending(None, 3));
    assert_eq!(shown(&told), ["restart 3 0-0-0"]);
    assert_eq!(following.rest(&nothing, &ending(None, 3)), []);
    let mut lost = ending(Some(5), 3);
    lost.duration_us = None;
    let told = told_of("5-2-0").rest(&nothing, &lost);
    assert_eq!(shown(&told), ["restart 3 0-0-0"]);
    // Nothing was told, or of the run that ended, whose log was erased since.
    assert_eq!(Following::after(None).rest(&nothing, &lost), []);
    assert_eq!(told_of("6-2-0").rest(&nothing, &ending(Some(6), 2)), []);
}

#[test]
fn a_long_text_is_several_events_that_end_with_lines_where_they_can() {
    let line = format!("{}\n", "x".repeat(LIVE_TEXT_BYTES / 3 * 2));
    let text = format!("{line}{line}{}", "→".repeat(LIVE_TEXT_BYTES));
    let told = Following::after(None).rest(&logs(&text, ""), &ending(Some(5), 1));
    let texts: Vec<&str> = told
        .iter()
        .filter_map(|told| match told {
            Told::Text { text, .. } => Some(text.as_str()),
            Told::Restart { .. } => None,
        })
        .collect();
    assert_eq!(texts[0], line);
    assert!(texts.iter().all(|text| text.len() <= LIVE_TEXT_BYTES));
    assert_eq!(texts.concat(), text);
    let on_it = "x".repeat(LIVE_TEXT_BYTES);
    let told = Following::after(None).rest(&logs(&on_it, ""), &ending(Some(5), 1));
    assert_eq!(told.len(), 1);
    let told = Following::after(None).rest(&logs(&(on_it + "y"), ""), &ending(Some(5), 1));
    assert_eq!(told.len(), 2);
}

#[test]
fn a_place_that_a_stranger_made_up_breaks_nothing() {
    for wrong in [
        "",
        "-",
        "1-2",
        "1-2-3-4",
        "1-2-x",
        "+1-2-3",
        "1--3",
        " 1-2-3",
        "1-2-99999999999999999999",
    ] {
        assert_eq!(wrong.parse::<Place>(), Err(PlaceError), "{wrong:?}");
    }
    let largest = u64::MAX;
    for place in [format!("5-1-{largest}"), format!("5-2-{largest}")] {
        let mut following = Following::after(Some(place.parse().unwrap()));
        let mut teller = Teller::new(at(5), 1);
        let told = following.batch(batch(&mut teller, &[(OUT, "→x"), (ERR, "e")]));
        assert_eq!(shown(&told), [format!(r#"Stdout "x" 5-4-{largest}"#)]);
    }
}
