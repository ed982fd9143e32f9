//! Bytes as a sandbox might send them: frames, frames that are nearly right, noise.

use fuzzing::proptest::collection::vec;
use fuzzing::proptest::prelude::*;
use fuzzing::proptest::sample::select;

/// Every kind there is, and two there aren't.
const KINDS: &[u8] = &[1, 2, 3, 16, 17, 18, 32, 48, 49, 0, 99];

/// How long a frame says it is: as long as it is, or not.
#[derive(Clone, Debug)]
enum Said {
    Truth,
    Off(i8),
    Any(u32),
}

/// One to four frames behind each other.
pub(super) fn streams() -> impl Strategy<Value = Vec<u8>> {
    let frame = (head(), vec(any::<u8>(), 0..60)).prop_map(|(head, body)| framed(head, &body));
    let part = prop_oneof![
        9 => frame,
        1 => vec(any::<u8>(), 0..20),
    ];
    fuzzing::nearly(vec(part, 1..5).prop_map(|parts| parts.concat()))
}

/// One frame of this kind around one of these bodies, most of them right.
pub(super) fn around(
    kind: u8,
    bodies: impl Strategy<Value = Vec<u8>>,
) -> impl Strategy<Value = Vec<u8>> {
    let frame = bodies.prop_map(move |body| framed((1, kind, 0, Said::Truth, 0), &body));
    prop_oneof![
        5 => frame,
        1 => streams(),
    ]
}

type Head = (u8, u8, u16, Said, u64);

fn head() -> impl Strategy<Value = Head> {
    let said = prop_oneof![
        8 => Just(Said::Truth),
        1 => (-2..=2_i8).prop_map(Said::Off),
        1 => prop_oneof![Just(u32::MAX), any::<u32>()].prop_map(Said::Any),
    ];
    (
        prop_oneof![20 => Just(1), 1 => any::<u8>()],
        select(KINDS),
        prop_oneof![20 => Just(0), 1 => any::<u16>()],
        said,
        prop_oneof![3 => Just(0), 1 => any::<u64>()],
    )
}

fn framed((format, kind, reserved, said, value): Head, body: &[u8]) -> Vec<u8> {
    let true_length = u32::try_from(body.len()).expect("a short body");
    let length = match said {
        Said::Truth => true_length,
        Said::Off(by) => true_length.saturating_add_signed(by.into()),
        Said::Any(length) => length,
    };
    let mut bytes = vec![format, kind];
    bytes.extend(reserved.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(value.to_be_bytes());
    bytes.extend(body);
    bytes
}
