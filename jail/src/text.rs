//! Bytes as text: replacement characters for what is no UTF-8, never half a character.

/// Decodes in pieces what [`String::from_utf8_lossy`] decodes at once.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The beginning of a character whose rest has not come: at most three bytes.
    begun: Vec<u8>,
}

impl Decoder {
    /// The text of what came, as far as its characters are whole.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.begun.extend_from_slice(bytes);
        let whole = whole(&self.begun);
        let text = String::from_utf8_lossy(&self.begun[..whole]).into_owned();
        self.begun.drain(..whole);
        text
    }
}

/// How much of it is before a character that may still become one.
pub(crate) fn whole(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        // Only the last of these can begin the character that is cut.
        if bytes[at] < 0x80 {
            break;
        }
        if bytes[at] >= 0xc0 {
            let cut = std::str::from_utf8(&bytes[at..]).is_err_and(|e| e.error_len().is_none());
            return if cut { at } else { bytes.len() };
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts, halves of them, and bytes that are no text at all.
    const SAMPLES: &[&[u8]] = &[
        b"plain\n",
        "é→𝄞z".as_bytes(),
        b"\xff\xfe\xe2\x82",
        b"\xf0\x9d\x84",
        b"\xe0\x80\xaf\xed\xa0\x80",
        b"a\xc3\xc3\xa9\xe2\x28\xa1\xf4\x90\x80\x80",
    ];

    #[test]
    fn pieces_of_any_length_come_to_what_all_at_once_comes_to() {
        for sample in SAMPLES {
            for step in 1..=sample.len() {
                let mut decoder = Decoder::default();
                let mut text: String = sample.chunks(step).map(|p| decoder.push(p)).collect();
                text.push_str(&String::from_utf8_lossy(&decoder.begun));
                assert_eq!(
                    text,
                    String::from_utf8_lossy(sample),
                    "{sample:?} by {step}"
                );
            }
        }
    }

    #[test]
    fn a_character_is_not_told_before_it_is_whole() {
        let mut decoder = Decoder::default();
        let note = "𝄞".as_bytes();
        assert_eq!(decoder.push(&note[..3]), "");
        assert_eq!(decoder.push(&note[3..]), "𝄞");
    }
}
