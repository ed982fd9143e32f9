//! Inputs that are nearly right: good ones with a few bytes changed.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Bytes that mean something to one parser or another.
const TELLING: &[u8] = b"\0\t\n\r \"#%'(),-./0129:;<=>@AZ[\\]_ad{}~\x7f\x80\xc3\xff";

#[derive(Clone, Debug)]
enum Change {
    Replace(u8),
    Insert(u8),
    Remove,
    /// Of so many bytes, behind themselves.
    Repeat(usize),
    Cut,
}

/// As made in three of four cases; else with one to four changes.
pub fn nearly(inputs: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let byte = || prop_oneof![3 => proptest::sample::select(TELLING), 1 => any::<u8>()];
    let change = prop_oneof![
        3 => byte().prop_map(Change::Replace),
        3 => byte().prop_map(Change::Insert),
        3 => Just(Change::Remove),
        2 => (1..40_usize).prop_map(Change::Repeat),
        1 => Just(Change::Cut),
    ];
    let changes = prop_oneof![
        3 => Just(Vec::new()),
        1 => vec((any::<Index>(), change), 1..5),
    ];
    (inputs, changes).prop_map(|(mut bytes, changes)| {
        for (at, change) in changes {
            apply(&mut bytes, at, &change);
        }
        bytes
    })
}

fn apply(bytes: &mut Vec<u8>, at: Index, change: &Change) {
    let at = at.index(bytes.len() + 1);
    match change {
        Change::Insert(byte) => bytes.insert(at, *byte),
        Change::Cut => bytes.truncate(at),
        Change::Replace(byte) => {
            if let Some(place) = bytes.get_mut(at) {
                *place = *byte;
            }
        }
        Change::Remove => {
            if at < bytes.len() {
                bytes.remove(at);
            }
        }
        Change::Repeat(length) => {
            let end = (at + length).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            bytes.splice(end..end, piece);
        }
    }
}

/// The same bytes in pieces of 1 to `longest`; how they are cut hangs on the bytes alone.
pub fn pieces(bytes: &[u8], longest: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    let mut state = bytes.iter().fold(1_usize, |sum, byte| {
        sum.wrapping_mul(31) + usize::from(*byte)
    });
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let length = (1 + (state >> 33) % longest).min(rest.len());
        let (piece, after) = rest.split_at(length);
        rest = after;
        Some(piece)
    })
}
