//! A JSON text whose values are covered, and which is one still.
//!
//! Texts and keys are covered in what they mean and written anew; a number in which a
//! value stands becomes a text. Where a value goes across several of them (a document
//! that is a secret as a whole), all of it is covered.

use std::collections::HashSet;

use super::automaton::START;
use super::{COVER, Mask};

impl Mask {
    /// Covers values in a JSON text, which stays one. What is no JSON text is covered as
    /// it stands.
    #[must_use]
    pub fn json(&self, text: Vec<u8>) -> Vec<u8> {
        if self.is_empty() {
            return text;
        }
        let shown = Masked::of(self, &text);
        if self.goes_across(&shown) {
            format!("\"{COVER}\"").into_bytes()
        } else {
            shown
        }
    }

    /// Whether a value stands in the text that isn't in one of its tokens.
    fn goes_across(&self, text: &[u8]) -> bool {
        let Some(automaton) = &self.0 else {
            return false;
        };
        let mut state = START;
        let mut rest = text;
        while !rest.is_empty() {
            let (token, after) = rest.split_at(token(rest));
            for (read, &byte) in (1..).zip(token) {
                state = automaton.step(state, byte);
                if automaton.ended(state) > read {
                    return true;
                }
            }
            rest = after;
        }
        false
    }
}

struct Masked<'a> {
    mask: &'a Mask,
    shown: Vec<u8>,
    /// Of each object that is open.
    keys: Vec<Keys>,
}

/// Keys of an object as they are shown, those with a cover in them: no two may become one.
#[derive(Default)]
struct Keys {
    shown: HashSet<String>,
    numbered: usize,
}

impl Keys {
    /// As it is, or with a number behind it where another key is shown so.
    fn name(&mut self, mut key: String) -> String {
        let length = key.len();
        while !self.shown.insert(key.clone()) {
            // Never again from the beginning: a key has few tries, however many there are.
            self.numbered += 1;
            key.truncate(length);
            key.push_str(&(self.numbered + 1).to_string());
        }
        key
    }
}

impl<'a> Masked<'a> {
    fn of(mask: &'a Mask, text: &[u8]) -> Vec<u8> {
        let mut masked = Self {
            mask,
            shown: Vec::with_capacity(text.len()),
            keys: Vec::new(),
        };
        let mut rest = text;
        while let Some(&first) = rest.first() {
            let length = token(rest);
            let (token, after) = rest.split_at(length);
            match first {
                b'"' => masked.text(token, after.trim_ascii_start().starts_with(b":")),
                b'-' | b'0'..=b'9' | b'a'..=b'z' => masked.word(token),
                b'{' => {
                    masked.keys.push(Keys::default());
                    masked.shown.push(first);
                }
                b'}' => {
                    masked.keys.pop();
                    masked.shown.push(first);
                }
                _ => masked.shown.extend_from_slice(token),
            }
            rest = after;
        }
        masked.shown
    }

    fn text(&mut self, token: &[u8], is_key: bool) {
        let Ok(meant) = serde_json::from_slice::<String>(token) else {
            // No JSON: nobody reads it as one.
            let shown = self.mask.cut_text(token);
            return self.shown.extend_from_slice(&shown);
        };
        // Users' texts may have the runner's mark of a cut in them: it means nothing here.
        let covered = self.mask.text(meant.as_bytes());
        let mut covered = String::from_utf8_lossy(&covered).into_owned();
        // Also a key that came with a cover in it: it may be what another one becomes.
        if let Some(keys) = self.keys.last_mut().filter(|_| is_key)
            && covered.contains(COVER)
        {
            covered = keys.name(covered);
        }
        if covered == meant {
            return self.shown.extend_from_slice(token);
        }
        self.shown
            .extend_from_slice(serde_json::Value::from(covered).to_string().as_bytes());
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self, token: &[u8]) {
        if self.mask.text(token).as_ref() == token {
            self.shown.extend_from_slice(token);
        } else {
            self.shown
                .extend_from_slice(format!("\"{COVER}\"").as_bytes());
        }
    }
}

/// How long the first token is: a text, a word, or one byte.
fn token(text: &[u8]) -> usize {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    match text {
        [b'"', rest @ ..] => {
            let mut is_escaped = false;
            let end = rest.iter().position(|&byte| {
                let is_end = byte == b'"' && !is_escaped;
                is_escaped = byte == b'\\' && !is_escaped;
                is_end
            });
            end.map_or(text.len(), |end| end + 2)
        }
        [first, ..] if is_word(first) => text
            .iter()
            .position(|byte| !is_word(byte))
            .unwrap_or(text.len()),
        _ => 1,
    }
}
