//! The environment values of one call: `Patchbay-Env: base64(JSON object)`.
//!
//! What the header says is checked whole. Of its names the version gets those it declares;
//! the others are passed over, so that a client may send one header with calls of several
//! functions. A required name must be there, or be a secret of the namespace, before the
//! queue hears of the call. No answer and no log repeats a value.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use common::accept::Target;
use common::ids::AccountId;
use common::json;
use common::limits;
use common::names::EnvName;
use http::{HeaderMap, HeaderName};
use serde_json::Value;

use crate::app::App;
use crate::problem::{FieldError, Problem};
use crate::secrets;

pub(crate) const HEADER: HeaderName = HeaderName::from_static("patchbay-env");
/// As problems name it.
const NAME: &str = "Patchbay-Env";

/// With padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a request gives. Its values are nobody's to see.
#[derive(Default)]
pub(crate) struct Given(BTreeMap<String, String>);

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Given {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut lines = headers.get_all(HEADER).iter();
        let Some(line) = lines.next() else {
            return Ok(Self::default());
        };
        if lines.next().is_some() {
            return Err(wrong("one header is wanted"));
        }
        let text = BASE64
            .decode(line.as_bytes())
            .map_err(|_| wrong("base64 of a JSON object is wanted"))?;
        if text.len() > limits::ENV_BYTES {
            let most = limits::ENV_BYTES;
            return Err(wrong(format!(
                "at most {most} bytes of JSON; larger values are for secrets of the namespace"
            )));
        }
        let Ok(Value::Object(members)) = json::read(&text) else {
            return Err(wrong("base64 of a JSON object is wanted"));
        };
        if members.len() > limits::ENV_NAMES {
            let most = limits::ENV_NAMES;
            return Err(wrong(format!("at most {most} names")));
        }
        let mut values = BTreeMap::new();
        let mut errors = Vec::new();
        for (name, value) in members {
            match checked(&name, value) {
                Ok(value) => {
                    values.insert(name, value);
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(Self(values))
        } else {
            Err(Problem::Invalid(errors))
        }
    }

    /// What goes along with a call of the target, as JSON text.
    pub(crate) async fn for_call(
        &self,
        app: &Arc<App>,
        account: AccountId,
        target: &Target,
    ) -> Result<Option<Vec<u8>>, Problem> {
        let missing = target.env.required.iter();
        let mut missing: Vec<_> = missing.filter(|name| !self.0.contains_key(*name)).collect();
        if !missing.is_empty() {
            let secrets = secrets::of(app, account, target.namespace).await?;
            missing.retain(|name| !secrets.has(name));
        }
        if !missing.is_empty() {
            let secrets = secrets::anew(app, account, target.namespace).await?;
            missing.retain(|name| !secrets.has(name));
        }
        if !missing.is_empty() {
            let errors = missing.into_iter().map(|name| {
                FieldError::new(
                    format!("{NAME}/{name}"),
                    "the function needs it: give it here, or set it as a secret of the namespace",
                )
            });
            return Err(Problem::MissingEnv(errors.collect()));
        }
        let declared: BTreeMap<_, _> = target
            .env
            .names()
            .filter_map(|name| self.0.get_key_value(name))
            .collect();
        if declared.is_empty() {
            return Ok(None);
        }
        let text = serde_json::to_vec(&declared);
        text.map(Some)
            .map_err(|error| Problem::Internal(error.into()))
    }
}

/// A text under a good name. What is no name isn't repeated: it may be a value.
fn checked(name: &str, value: Value) -> Result<String, FieldError> {
    if let Err(error) = name.parse::<EnvName>() {
        return Err(FieldError::new(NAME, error.to_string()));
    }
    match value {
        Value::String(text) if !text.contains('\0') => Ok(text),
        _ => Err(FieldError::new(
            format!("{NAME}/{name}"),
            "a text without NUL is wanted",
        )),
    }
}

fn wrong(detail: impl Into<String>) -> Problem {
    Problem::field(NAME, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    use http::HeaderValue;
    use serde_json::json;

    fn read(text: &str) -> Result<Given, Vec<FieldError>> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(text).unwrap());
        Given::of(&headers).map_err(|problem| problem.errors().to_vec())
    }

    fn given(value: &Value) -> Result<Given, Vec<FieldError>> {
        read(&STANDARD.encode(value.to_string()))
    }

    #[test]
    fn values_are_read_with_padding_or_without_and_shown_to_nobody() {
        let value = json!({"TOKEN": "s3same!", "EMPTY": ""});
        for text in [
            STANDARD.encode(value.to_string()),
            STANDARD_NO_PAD.encode(value.to_string()),
        ] {
            let given = read(&text).unwrap();
            assert_eq!(given.0["TOKEN"], "s3same!");
            assert_eq!(format!("{given:?}"), r#"{"EMPTY", "TOKEN"}"#);
        }
        assert!(Given::of(&HeaderMap::new()).unwrap().0.is_empty());
    }

    #[test]
    fn whatever_else_it_is_is_refused_and_not_repeated() {
        for wrong in [
            json!([]),
            json!("s3same!"),
            json!({"TOKEN": 5}),
            json!({"TOKEN": null}),
            json!({"TOKEN": "s3same!\0"}),
            json!({"s3same!": "TOKEN"}),
            json!({"PATH": "s3same!"}),
        ] {
            let errors = given(&wrong).unwrap_err();
            assert_eq!(errors.len(), 1, "{wrong}");
            assert!(errors[0].pointer.starts_with("Patchbay-Env"), "{errors:?}");
            assert!(!format!("{errors:?}").contains("s3same"), "{errors:?}");
        }
        for wrong in ["", "{}", "e30=e30=", &STANDARD.encode("{\"A\":\"s3same!\"")] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let mut twice = HeaderMap::new();
        twice.append(HEADER, HeaderValue::from_static("e30="));
        assert!(Given::of(&twice).is_ok());
        twice.append(HEADER, HeaderValue::from_static("e30="));
        assert!(Given::of(&twice).is_err());
    }

    #[test]
    fn names_and_bytes_stand_on_their_bounds() {
        let names = |count: usize| {
            let all = (0..count).map(|number| (format!("N{number}"), json!("")));
            given(&Value::Object(all.collect()))
        };
        assert!(names(limits::ENV_NAMES).is_ok());
        assert!(names(limits::ENV_NAMES + 1).is_err());
        let sized = |bytes: usize| {
            let around = json!({"A": ""}).to_string().len();
            given(&json!({"A": "x".repeat(bytes - around)}))
        };
        assert!(sized(limits::ENV_BYTES).is_ok());
        assert!(sized(limits::ENV_BYTES + 1).is_err());
    }
}
