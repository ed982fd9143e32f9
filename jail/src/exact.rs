//! What a result holds beyond JSON's grammar: it is no deeper than results may be, has
//! no half of a surrogate pair, and no number that a reader could not take as it is.

use crate::limits::DEPTH;

/// Digits of the longest integer: more are refused on the way in, too.
const DIGITS: usize = 4_300;
/// A number without an exponent and no longer than this is finite.
const FINITE: usize = 300;

/// Of a text whose grammar is looked at elsewhere.
pub(crate) fn is_exact(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_u32);
    while let Some(byte) = bytes.get(at) {
        let after = match byte {
            b'"' => string(bytes, at + 1),
            b'-' | b'0'..=b'9' => number(text, at),
            b'[' | b'{' => {
                depth += 1;
                (depth <= DEPTH).then_some(at + 1)
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                Some(at + 1)
            }
            _ => Some(at + 1),
        };
        let Some(after) = after else {
            return false;
        };
        at = after;
    }
    true
}

/// Behind the closing quote, if each surrogate before it has its other half.
fn string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' if bytes.get(at + 1) == Some(&b'u') => {
                let first = unit(bytes, at)?;
                at += 6;
                if (0xd800..0xe000).contains(&first) {
                    let second = unit(bytes, at).filter(|unit| (0xdc00..0xe000).contains(unit));
                    if first >= 0xdc00 || second.is_none() {
                        return None;
                    }
                    at += 6;
                }
            }
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The code unit that `\uXXXX` stands for.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Behind the number, if it is one that can be passed on.
fn number(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut end, mut point, mut power) = (at, false, false);
    loop {
        match bytes.get(end) {
            Some(b'0'..=b'9' | b'-' | b'+') => {}
            Some(b'.') => point = true,
            Some(b'e' | b'E') => power = true,
            _ => break,
        }
        end += 1;
    }
    let length = end - at;
    let exact = if power || (point && length > FINITE) {
        text.get(at..end)?.parse::<f64>().is_ok_and(f64::is_finite)
    } else {
        length <= DIGITS + usize::from(bytes.get(at) == Some(&b'-'))
    };
    exact.then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_passed_on_is_exact() {
        let longest = format!("-{}", "9".repeat(DIGITS));
        let deepest = ["[".repeat(128), "]".repeat(128)].concat();
        for good in [
            r#"{"a":[1,-2.5e-7,1e308],"[[{\"":"\\u1"}"#,
            r#""\ud83d\ude00 \u00e9 \\ud800""#,
            "1e-400",
            &longest,
            &deepest,
        ] {
            assert!(is_exact(good), "{good}");
        }
    }

    #[test]
    fn what_a_reader_would_change_is_not() {
        let longer = "9".repeat(DIGITS + 1);
        let deeper = ["{\"a\":".repeat(129), "}".repeat(129)].concat();
        let infinite = format!("{}.0", "9".repeat(400));
        for bad in [
            r#""\ud800""#,
            r#""\ude00""#,
            r#"{"\ud83d\ud83d":1}"#,
            r#""\ud83d\u0061""#,
            r#""\ud83dx""#,
            "[1e400]",
            "-1E+309",
            &infinite,
            &longer,
            &deeper,
        ] {
            assert!(!is_exact(bad), "{bad}");
        }
    }
}
