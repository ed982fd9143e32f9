//! What a text means once its escapes are taken away: those of JSON and of Python's
//! `repr`. `\xe9` is a byte, as in the `repr` of bytes; where it means a letter, the mask
//! has the value with that byte in it too.

/// The longest escape: two halves of a character, `\ud83d\ude00`.
const LONGEST: usize = 12;

/// One byte of the meaning, and which bytes of the text it stands for.
#[derive(Clone, Copy)]
pub(super) struct Meant {
    pub(super) byte: u8,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Reads a text byte by byte.
#[derive(Clone, Default)]
pub(super) struct Escapes {
    pending: Vec<u8>,
}

impl Escapes {
    /// How many bytes at the end of the text have no meaning yet.
    pub(super) const fn pending(&self) -> usize {
        self.pending.len()
    }

    /// `end` is where the text ends with this byte.
    pub(super) fn read(&mut self, byte: u8, end: u64, give: &mut impl FnMut(Meant)) {
        if self.pending.is_empty() && byte != b'\\' {
            give(Meant {
                byte,
                start: end - 1,
                end,
            });
            return;
        }
        self.pending.push(byte);
        let start = end - self.pending.len() as u64;
        let mut give_all = |bytes: &[u8]| {
            for &byte in bytes {
                give(Meant { byte, start, end });
            }
        };
        match meaning(&self.pending) {
            Meaning::Open if self.pending.len() < LONGEST => return,
            Meaning::Character(character) => {
                give_all(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Meaning::Byte(byte) => give_all(&[byte]),
            Meaning::Open | Meaning::Nothing => return self.give_first(start, give),
        }
        self.pending.clear();
    }

    /// No escape: its backslash is one, and the rest is read again.
    fn give_first(&mut self, start: u64, give: &mut impl FnMut(Meant)) {
        let rest = std::mem::take(&mut self.pending);
        give(Meant {
            byte: b'\\',
            start,
            end: start + 1,
        });
        for (end, &byte) in (start + 2..).zip(&rest[1..]) {
            self.read(byte, end, give);
        }
    }
}

enum Meaning {
    /// More is needed.
    Open,
    Character(char),
    Byte(u8),
    Nothing,
}

fn meaning(escape: &[u8]) -> Meaning {
    let Some(kind) = escape.get(1) else {
        return Meaning::Open;
    };
    match kind {
        b'n' => Meaning::Character('\n'),
        b'r' => Meaning::Character('\r'),
        b't' => Meaning::Character('\t'),
        b'b' => Meaning::Character('\u{8}'),
        b'f' => Meaning::Character('\u{c}'),
        b'"' | b'\'' | b'\\' | b'/' => Meaning::Character(char::from(*kind)),
        b'x' => match digits(&escape[2..], 2) {
            Ok(byte) => u8::try_from(byte).map_or(Meaning::Nothing, Meaning::Byte),
            Err(other) => other,
        },
        b'u' => halves(escape),
        b'U' => match digits(&escape[2..], 8) {
            Ok(code) => char::from_u32(code).map_or(Meaning::Nothing, Meaning::Character),
            Err(other) => other,
        },
        _ => Meaning::Nothing,
    }
}

/// `\uXXXX`, and a second one where the first is half a character.
fn halves(escape: &[u8]) -> Meaning {
    let high = match digits(&escape[2..escape.len().min(6)], 4) {
        Ok(code) => code,
        Err(other) => return other,
    };
    if let Some(character) = char::from_u32(high) {
        return Meaning::Character(character);
    }
    let rest = &escape[6..];
    if !br"\u".starts_with(&rest[..rest.len().min(2)]) || high >= 0xdc00 {
        return Meaning::Nothing;
    }
    match digits(rest.get(2..).unwrap_or_default(), 4) {
        Ok(low @ 0xdc00..0xe000) => {
            char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
                .map_or(Meaning::Nothing, Meaning::Character)
        }
        Ok(_) => Meaning::Nothing,
        Err(other) => other,
    }
}

/// So many hexadecimal digits and nothing else.
fn digits(text: &[u8], wanted: usize) -> Result<u32, Meaning> {
    let mut value: u32 = 0;
    for &digit in text {
        let Some(digit) = char::from(digit).to_digit(16) else {
            return Err(Meaning::Nothing);
        };
        value = (value << 4) | digit;
    }
    if text.len() == wanted {
        Ok(value)
    } else {
        Err(Meaning::Open)
    }
}
