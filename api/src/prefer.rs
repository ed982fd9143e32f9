//! `Prefer` (RFC 7240): how long a caller waits for an execution.

use std::time::Duration;

use common::limits;
use http::{HeaderMap, HeaderName};

use crate::problem::Problem;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// What the caller prefers; what we don't know is ignored, as the RFC says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefer {
    /// Waits this long, at most [`limits::WAIT`].
    pub(crate) wait: Option<Duration>,
    pub(crate) respond_async: bool,
}

impl Prefer {
    /// Reads all lines; of a preference given twice the first counts.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut prefer = Self::default();
        for line in headers.get_all(PREFER) {
            // A line that is no text has no preference we know.
            let Ok(line) = line.to_str() else { continue };
            for item in split_quoted(line, ',') {
                prefer.take(item)?;
            }
        }
        Ok(prefer)
    }

    fn take(&mut self, item: &str) -> Result<(), Problem> {
        // Parameters after a semicolon belong to preferences we don't know.
        let preference = split_quoted(item, ';').next().unwrap_or_default();
        let (name, value) = match preference.split_once('=') {
            Some((name, value)) => (name.trim(), unquoted(value.trim())),
            None => (preference.trim(), String::new()),
        };
        if name.eq_ignore_ascii_case("respond-async") {
            self.respond_async = true;
        } else if name.eq_ignore_ascii_case("wait") && self.wait.is_none() {
            self.wait = Some(seconds(&value).ok_or_else(|| {
                Problem::field("Prefer", "wait is a whole number of seconds, 0 to 60")
            })?);
        }
        Ok(())
    }

    /// What `Preference-Applied` says.
    pub(crate) fn applied(self) -> Option<String> {
        match self.wait {
            Some(wait) => Some(format!("wait={}", wait.as_secs())),
            None if self.respond_async => Some("respond-async".to_owned()),
            None => None,
        }
    }
}

/// A whole number of seconds, more than a minute taken as a minute.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds = text.parse().unwrap_or(u64::MAX);
    Some(Duration::from_secs(seconds).min(limits::WAIT))
}

/// Parts between separators that stand outside double quotes.
fn split_quoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |c| {
        let plain = !quoted && c == separator;
        match c {
            '"' if !escaped => quoted = !quoted,
            '\\' if quoted && !escaped => {
                escaped = true;
                return false;
            }
            _ => {}
        }
        escaped = false;
        plain
    })
}

fn unquoted(value: &str) -> String {
    match value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
        Some(inner) => inner.replace('\\', ""),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn prefer(lines: &[&str]) -> Result<Prefer, Problem> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(PREFER, HeaderValue::from_str(line).unwrap());
        }
        Prefer::of(&headers)
    }

    fn wait(lines: &[&str]) -> Option<u64> {
        prefer(lines).unwrap().wait.map(|wait| wait.as_secs())
    }

    #[test]
    fn preferences_are_read_as_the_rfc_writes_them() {
        assert_eq!(wait(&["wait=5"]), Some(5));
        assert_eq!(wait(&["respond-async, wait=5"]), Some(5));
        assert_eq!(wait(&["respond-async", "wait=5"]), Some(5));
        assert_eq!(wait(&["Wait = \"5\" ; x=\"a,b\""]), Some(5));
        assert_eq!(wait(&["foo=\"wait=9, \\\" wait=8\", wait=5"]), Some(5));
        assert_eq!(wait(&["wait=5, wait=7"]), Some(5));
        assert_eq!(wait(&["handling=lenient", "lenient", ""]), None);
        assert_eq!(wait(&["wait=0"]), Some(0));
        assert_eq!(wait(&["wait=61"]), Some(60));
        assert_eq!(wait(&["wait=99999999999999999999999"]), Some(60));
        assert!(prefer(&["Respond-Async"]).unwrap().respond_async);
    }

    #[test]
    fn a_wait_that_is_no_number_is_refused() {
        for wrong in [
            "wait=", "wait", "wait=-1", "wait=1.5", "wait=abc", "wait=1s",
        ] {
            assert_eq!(prefer(&[wrong]).unwrap_err().code(), "invalid", "{wrong}");
        }
    }
}
