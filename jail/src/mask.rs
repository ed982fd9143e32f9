//! Covers the values of an environment in what comes out of a sandbox.
//!
//! A value of six characters and more is covered, and so is each line of that length in
//! one of many lines: as it is, and as JSON or Python's `repr` escape it, across writes.
//! What is covered becomes `***`: shorter than anything covered, so a text never grows,
//! and no value can be read out of it.
//!
//! Every byte that belongs to any occurrence is covered, also where occurrences overlap.
//! A text is read once, in linear time whatever its author does, by an automaton of all
//! values; a second one reads what the text means once its escapes are taken away. A
//! stream holds back only what may be the beginning of a value.
//!
//! Not covered: values in base64, turned round, spaced out, or escaped twice.

mod automaton;
mod escapes;
mod json;
mod stream;
#[cfg(test)]
mod tests;
mod told;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use automaton::Automaton;
pub use stream::MaskStream;

/// Shorter values are words that any text has.
pub const SHORTEST: usize = 6;
/// What stands where a value stood.
pub const COVER: &str = "***";

/// The values to cover. Cheap to clone; nothing of it can be read back.
#[derive(Clone, Default)]
pub struct Mask(Option<Arc<Automaton>>);

impl Mask {
    pub fn new<V: AsRef<str>>(values: impl IntoIterator<Item = V>) -> Self {
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for value in values {
            for text in covered(value.as_ref()) {
                texts.extend(escaped_as_bytes(text));
                texts.push(text.as_bytes().to_vec());
            }
        }
        texts.sort_unstable();
        texts.dedup();
        Self((!texts.is_empty()).then(|| Arc::new(Automaton::new(&texts))))
    }

    /// There is nothing to cover.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// A whole text.
    pub fn text<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        self.whole(text, MaskStream::finish)
    }

    /// The beginning of a text whose rest is missing: what may be the beginning of a value
    /// at its end is covered too.
    pub fn cut_text<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        self.whole(text, MaskStream::finish_cut)
    }

    /// A text that comes in pieces.
    pub fn stream(&self) -> MaskStream {
        MaskStream::new(self.0.clone())
    }

    fn whole<'a>(&self, text: &'a [u8], finish: fn(MaskStream) -> Vec<u8>) -> Cow<'a, [u8]> {
        if self.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut stream = self.stream();
        let mut shown = stream.push(text);
        shown.extend(finish(stream));
        Cow::Owned(shown)
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask")
    }
}

/// The texts that stand for a value: the whole of it, and its lines. White space around
/// them is left out, since whoever prints them often has taken it away.
fn covered(value: &str) -> impl Iterator<Item = &str> {
    let trimmed = value.trim();
    let whole = if is_long(trimmed) { trimmed } else { value };
    std::iter::once(whole)
        .chain(trimmed.split(['\n', '\r']).map(str::trim))
        .filter(|text| is_long(text))
}

/// The text with letters up to U+00FF as one byte each: what `\xe9` means is read as a
/// byte, and Python writes letters so, too. `ascii` and `backslashreplace` all of them, `repr`
/// those that can't be printed.
fn escaped_as_bytes(text: &str) -> impl Iterator<Item = Vec<u8>> {
    let by_ascii = |letter| ('\u{80}'..='\u{ff}').contains(&letter);
    let by_repr = |letter| matches!(letter, '\u{80}'..='\u{a0}' | '\u{ad}');
    [by_ascii as fn(char) -> bool, by_repr]
        .into_iter()
        .filter(|is_escaped| text.contains(is_escaped))
        .map(|is_escaped| {
            let mut bytes = Vec::with_capacity(text.len());
            for letter in text.chars() {
                match u8::try_from(letter) {
                    Ok(byte) if is_escaped(letter) => bytes.push(byte),
                    _ => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            bytes
        })
}

fn is_long(text: &str) -> bool {
    text.chars().nth(SHORTEST - 1).is_some()
}
