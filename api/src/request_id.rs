//! The id under which one request is found in answers and logs.

use common::clock::Clock;
use common::ids::RequestId;
use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST: usize = 128;

/// The client's own id where it is a sane one, else a fresh one.
pub(crate) fn of(headers: &HeaderMap, clock: &dyn Clock) -> (String, HeaderValue) {
    if let Some(value) = headers.get(HEADER)
        && let Ok(text) = value.to_str()
        && is_sane(text)
    {
        return (text.to_owned(), value.clone());
    }
    let fresh = RequestId::new(clock).to_string();
    let value =
        HeaderValue::from_str(&fresh).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
    (fresh, value)
}

fn is_sane(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::clock::SystemClock;

    #[test]
    fn a_sane_id_is_kept_and_any_other_replaced() {
        let id_for = |sent: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_str(sent).unwrap());
            of(&headers, &SystemClock).0
        };
        assert_eq!(id_for("trace-1:a.b_c"), "trace-1:a.b_c");
        let longest = "a".repeat(LONGEST);
        assert_eq!(id_for(&longest), longest);
        for odd in ["", "a b", "a\"b", "{}", &"a".repeat(LONGEST + 1)] {
            assert!(id_for(odd).starts_with("req_"), "{odd}");
        }
    }
}
