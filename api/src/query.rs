//! Query parameters: each once, numbers and times checked, pages.

use axum::extract::Query as Pairs;
use common::limits;
use http::Uri;
use jiff::Timestamp;

use crate::problem::Problem;

/// The parameters of a request. What a route doesn't ask for is ignored.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(uri: &Uri) -> Result<Self, Problem> {
        let Pairs(pairs) = Pairs::try_from_uri(uri)
            .map_err(|_| Problem::BadRequest("the query cannot be read"))?;
        Ok(Self(pairs))
    }

    /// A parameter that may stand once.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(given, _)| given == name);
        let value = values.next().map(|(_, value)| value.as_str());
        if values.next().is_some() {
            return Err(wrong(name, "this parameter stands twice"));
        }
        if value.is_some_and(|value| value.contains('\0')) {
            return Err(wrong(name, "NUL is in no name"));
        }
        Ok(value)
    }

    /// A whole number within a range.
    pub(crate) fn number(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Result<Option<u32>, Problem> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|number| digits && range.contains(number))
            .map(Some)
            .ok_or_else(|| {
                let (least, most) = (range.start(), range.end());
                wrong(name, format!("a whole number from {least} to {most}"))
            })
    }

    /// An RFC 3339 time with its zone, years 1 to 9999. A `+` that a client forgot to
    /// escape has become a space; before `hh:mm` it is read as the `+` it was.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let spelled = match text.rfind(' ') {
            Some(at) if is_offset(&text[at + 1..]) => {
                format!("{}+{}", &text[..at], &text[at + 1..])
            }
            _ => text.to_owned(),
        };
        let year = spelled.split('-').next().unwrap_or_default();
        let four_digits = year.len() == 4 && year != "0000";
        spelled
            .parse()
            .ok()
            .filter(|_| four_digits)
            .map(Some)
            .ok_or_else(|| {
                wrong(
                    name,
                    "a time like 2026-03-01T12:00:00Z with its zone (write + as %2B)",
                )
            })
    }

    /// How long to wait; more than a minute is taken as a minute.
    pub(crate) fn wait(&self) -> Result<Option<std::time::Duration>, Problem> {
        self.text("wait")?
            .map(|text| {
                crate::prefer::seconds(text)
                    .ok_or_else(|| wrong("wait", "a whole number of seconds, 0 to 60"))
            })
            .transpose()
    }

    /// Items on a page.
    pub(crate) fn limit(&self) -> Result<u32, Problem> {
        Ok(self
            .number("limit", limits::PAGE)?
            .unwrap_or(limits::PAGE_DEFAULT))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(wrong(name, "true or false")),
        }
    }
}

pub(crate) fn wrong(name: &str, detail: impl Into<String>) -> Problem {
    Problem::field(format!("?{name}"), detail)
}

fn is_offset(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 5
        && bytes[2] == b':'
        && [0, 1, 3, 4].iter().all(|at| bytes[*at].is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::of(&format!("/x?{text}").parse().unwrap()).unwrap()
    }

    #[test]
    fn a_time_needs_a_zone_and_survives_a_plus_nobody_escaped() {
        let since = |text: &str| query(&format!("since={text}")).time("since");
        let noon = Some("2026-01-01T12:00:00Z".parse().unwrap());
        for right in [
            "2026-01-01T12:00:00Z",
            "2026-01-01T14:00:00+02:00",
            "2026-01-01T14:00:00%2B02:00",
            "2026-01-01T10:00:00-02:00",
        ] {
            assert_eq!(since(right).unwrap(), noon, "{right}");
        }
        for wrong in [
            "2026-01-01",
            "2026-01-01T12:00:00",
            "0000-01-01T12:00:00Z",
            "-000001-01-01T12:00:00Z",
            "12026-01-01T12:00:00Z",
            "yesterday",
            "",
        ] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_number_stands_on_its_bounds() {
        let limit = |text: &str| query(&format!("limit={text}")).limit().ok();
        assert_eq!(limit("1"), Some(1));
        assert_eq!(limit("200"), Some(200));
        for wrong in ["0", "201", "-1", "+1", "1.0", "", "99999999999999999999"] {
            assert_eq!(limit(wrong), None, "{wrong}");
        }
        assert_eq!(query("").limit().unwrap(), limits::PAGE_DEFAULT);
        assert!(query("limit=1&limit=2").limit().is_err());
    }
}
