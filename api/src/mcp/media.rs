//! `Accept` as media ranges (RFC 9110, section 12.5.1).
//!
//! Every answer of the endpoint is one JSON document, so whoever takes JSON is
//! served: real clients send `*/*`, only `application/json`, or nothing at all.

use http::{HeaderMap, header};

/// Whether a client that sent these headers takes `application/json`.
///
/// The most specific range that covers it decides, and `q=0` excludes it.
pub(super) fn takes_json(headers: &HeaderMap) -> bool {
    let mut best: Option<(u8, bool)> = None;
    for line in headers.get_all(header::ACCEPT) {
        let Ok(line) = line.to_str() else { continue };
        for range in split_outside_quotes(line, ',') {
            let Some((specific, wanted)) = covers_json(range) else {
                continue;
            };
            if best.is_none_or(|(known, _)| specific > known) {
                best = Some((specific, wanted));
            }
        }
    }
    match best {
        Some((_, wanted)) => wanted,
        // Nothing asked for is anything taken; only other types asked for is not.
        None => is_empty(headers),
    }
}

fn is_empty(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .all(|line| line.as_bytes().trim_ascii().is_empty())
}

/// How specific the range is, and whether its weight is above zero.
fn covers_json(range: &str) -> Option<(u8, bool)> {
    let mut parts = split_outside_quotes(range, ';');
    let essence = parts.next()?.trim();
    let specific = match essence.to_ascii_lowercase().as_str() {
        "application/json" => 2,
        "application/*" => 1,
        "*/*" | "*" => 0,
        _ => return None,
    };
    let wanted = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("q") => !is_zero(value.trim()),
        _ => true,
    });
    Some((specific, wanted))
}

/// `0`, `0.`, `0.000`: a weight that is no such number excludes nothing.
fn is_zero(weight: &str) -> bool {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    whole == "0" && fraction.bytes().all(|digit| digit == b'0')
}

fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let plain = !quoted && c == separator;
        if escaped {
            escaped = false;
        } else if quoted && c == '\\' {
            escaped = true;
        } else if c == '"' {
            quoted = !quoted;
        }
        plain
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn takes(lines: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT, HeaderValue::from_str(line).unwrap());
        }
        takes_json(&headers)
    }

    #[test]
    fn whoever_takes_json_is_served() {
        for right in [
            &["application/json, text/event-stream"][..],
            &["text/event-stream", "application/json"],
            &["*/*"],
            &["*"],
            &["application/*;q=0.1"],
            &["Application/JSON; charset=utf-8"],
            &["text/html;x=\"a,b\", */*;q=0.8"],
            &["text/html, application/json;q=0.001"],
            &["*/*;q=0, application/json"],
            &["application/json;q=abc"],
            &[""],
            &[],
        ] {
            assert!(takes(right), "{right:?}");
        }
    }

    #[test]
    fn whoever_excludes_json_is_not() {
        for wrong in [
            &["text/event-stream"][..],
            &["text/html, image/*"],
            &["application/json;q=0, */*"],
            &["application/*;q=0.0"],
            &["*/*;q=0.000"],
            &["text/x; a=\"application/json\""],
        ] {
            assert!(!takes(wrong), "{wrong:?}");
        }
    }
}
