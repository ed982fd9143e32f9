//! One JSON-RPC message, read without touching what is not ours.
//!
//! The SDK reads a body into `serde_json::Value`, which rounds integers above
//! 2^64 and stops at depth 127, and knows ids only as `i64` or text. So the
//! message is taken apart here by its raw text: the id is put back into the answer as
//! it was written, the arguments go to the queue as they were written, and the SDK
//! gets a message with [`STAND_IN_ID`] for the id and no arguments but those it must
//! compare with headers.
//!
//! Always: what has an `id` member is a request; an id that is neither text nor a
//! number is an error, never a notification.

use std::borrow::Cow;

use common::json;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The id of every request as the SDK sees it.
pub(super) const STAND_IN_ID: &str = "0";

/// JSON-RPC codes of what is refused before the SDK sees it.
pub(super) const PARSE_ERROR: i32 = -32700;
pub(super) const INVALID_REQUEST: i32 = -32600;
pub(super) const INVALID_PARAMS: i32 = -32602;

/// Why a body is no message; answered as a JSON-RPC error with status 400.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Malformed {
    pub(super) code: i32,
    /// The request's id as it was written, where it could be read.
    pub(super) id: Option<String>,
    pub(super) message: String,
}

/// A request or a notification.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    /// As it was written; absent in a notification.
    pub(super) id: Option<&'a str>,
    pub(super) method: Cow<'a, str>,
    params: Option<&'a RawValue>,
    /// There exactly where the method is `tools/call`.
    pub(super) call: Option<Call<'a>>,
}

/// The parameters of a `tools/call`.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) tool: Cow<'a, str>,
    /// The text of a JSON object.
    pub(super) arguments: Cow<'a, str>,
    meta: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct CallParams<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    name: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta", deserialize_with = "present")]
    meta: Option<&'a RawValue>,
}

/// A member that is there, `null` included.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Envelope<'a> {
    /// Reads one message.
    ///
    /// # Errors
    /// Where it is no JSON, a batch, or no request or notification.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let body = json::without_mark(body);
        if body.trim_ascii_start().first() == Some(&b'[') {
            return Err(malformed(INVALID_REQUEST, None, "batches are not taken"));
        }
        let message: Message<'a> = serde_json::from_slice(body).map_err(|error| {
            let code = if error.is_data() {
                INVALID_REQUEST
            } else {
                PARSE_ERROR
            };
            malformed(code, None, error.to_string())
        })?;
        let id = message.id.map(id_text).transpose()?;
        if message.jsonrpc.map(RawValue::get) != Some("\"2.0\"") {
            return Err(malformed(INVALID_REQUEST, id, "jsonrpc must be \"2.0\""));
        }
        let method = message.method.and_then(text);
        let Some(method) = method else {
            return Err(malformed(INVALID_REQUEST, id, "method must be a text"));
        };
        let call = match (&*method, id) {
            ("tools/call", Some(id)) => Some(Call::read(message.params, id)?),
            _ => None,
        };
        Ok(Self {
            id,
            method,
            params: message.params,
            call,
        })
    }

    /// The message as the SDK gets it; `compared` are the arguments it needs to see,
    /// as the text of a JSON object.
    pub(super) fn for_sdk(&self, compared: &str) -> Vec<u8> {
        let mut out = String::with_capacity(256);
        out.push_str("{\"jsonrpc\":\"2.0\"");
        if self.id.is_some() {
            out.push_str(",\"id\":");
            out.push_str(STAND_IN_ID);
        }
        push_member(&mut out, "method", &quoted(&self.method));
        match (&self.call, self.params) {
            (Some(call), _) => {
                let mut params = String::from("{\"name\":");
                params.push_str(&quoted(&call.tool));
                push_member(&mut params, "arguments", compared);
                if let Some(meta) = call.meta {
                    push_member(&mut params, "_meta", meta.get());
                }
                params.push('}');
                push_member(&mut out, "params", &params);
            }
            // Some clients write `null` for no parameters.
            (None, Some(params)) if params.get() != "null" => {
                push_member(&mut out, "params", params.get());
            }
            _ => {}
        }
        out.push('}');
        out.into_bytes()
    }
}

impl<'a> Call<'a> {
    fn read(params: Option<&'a RawValue>, id: &str) -> Result<Self, Malformed> {
        let wrong = |message: String| malformed(INVALID_PARAMS, Some(id), message);
        let params = params.ok_or_else(|| wrong("params must be there".to_owned()))?;
        let params: CallParams<'a> =
            serde_json::from_str(params.get()).map_err(|error| wrong(error.to_string()))?;
        let Some(tool) = params.name.and_then(text) else {
            return Err(wrong("params.name must be a text".to_owned()));
        };
        let arguments = match params.arguments.map(RawValue::get) {
            None | Some("null") => Cow::Borrowed("{}"),
            Some(object) if object.starts_with('{') => Cow::Borrowed(object),
            // Models write the whole object as a text now and then.
            Some(other) => match text_of(other) {
                Some(inner) if inner.trim_start().starts_with('{') => inner,
                _ => return Err(wrong("params.arguments must be an object".to_owned())),
            },
        };
        Ok(Self {
            tool,
            arguments,
            meta: params.meta,
        })
    }
}

/// Text or a number; MCP has no `null` id.
fn id_text(id: &RawValue) -> Result<&str, Malformed> {
    match id.get().as_bytes().first() {
        Some(b'"' | b'-' | b'0'..=b'9') => Ok(id.get()),
        _ => Err(malformed(
            INVALID_REQUEST,
            None,
            "id must be a text or a number",
        )),
    }
}

fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    text_of(value.get())
}

/// What a JSON text says where it is a string.
pub(super) fn text_of(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// A text as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn push_member(out: &mut String, name: &str, value: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    out.push_str(value);
}

fn malformed(code: i32, id: Option<&str>, message: impl Into<String>) -> Malformed {
    Malformed {
        code,
        id: id.map(str::to_owned),
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn refused(body: &str) -> (i32, Option<String>) {
        let malformed = Envelope::read(body.as_bytes()).unwrap_err();
        (malformed.code, malformed.id)
    }

    fn call(arguments: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"f","arguments":{arguments}}}}}"#
        )
    }

    #[test]
    fn an_id_is_kept_as_it_was_written() {
        for id in [
            "0",
            "\"\"",
            "\"a\\u00e9\"",
            "18446744073709551617",
            "1.5",
            "-1",
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(Envelope::read(body.as_bytes()).unwrap().id, Some(id));
        }
    }

    #[test]
    fn an_id_of_another_type_is_an_error_and_no_notification() {
        for id in ["null", "true", "[1]", "{}"] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(refused(&body), (INVALID_REQUEST, None), "{id}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_id_where_it_has_one() {
        assert_eq!(refused("{"), (PARSE_ERROR, None));
        assert_eq!(refused("{} {}"), (PARSE_ERROR, None));
        assert_eq!(refused("\u{e9}"), (PARSE_ERROR, None));
        assert_eq!(refused("[]"), (INVALID_REQUEST, None));
        assert_eq!(refused("1"), (INVALID_REQUEST, None));
        assert_eq!(
            refused(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#),
            (INVALID_REQUEST, None)
        );
        let id = Some("7".to_owned());
        assert_eq!(
            refused(r#"{"id":7,"method":"ping"}"#),
            (INVALID_REQUEST, id.clone())
        );
        assert_eq!(
            refused(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#),
            (INVALID_REQUEST, id.clone())
        );
        for params in [
            "",
            r#","params":{}"#,
            r#","params":[]"#,
            r#","params":{"name":3}"#,
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call"{params}}}"#);
            assert_eq!(refused(&body), (INVALID_PARAMS, id.clone()), "{params}");
        }
        assert_eq!(refused(&call("[1]")).0, INVALID_PARAMS);
        assert_eq!(refused(&call("\"[1]\"")).0, INVALID_PARAMS);
    }

    #[test]
    fn arguments_are_kept_to_the_last_digit_at_any_depth() {
        let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
        let digits = "9".repeat(4_000);
        let arguments = format!(r#"{{"n":{digits},"d":{deep}}}"#);
        let body = call(&arguments);
        let envelope = Envelope::read(body.as_bytes()).unwrap();
        assert_eq!(envelope.call.unwrap().arguments, arguments);
    }

    #[test]
    fn absent_null_and_quoted_arguments_are_objects() {
        for (written, read) in [("null", "{}"), (r#""{\"x\": 1}""#, r#"{"x": 1}"#)] {
            let body = call(written);
            let envelope = Envelope::read(body.as_bytes()).unwrap();
            assert_eq!(envelope.call.unwrap().arguments, read);
        }
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"f"}}"#;
        let envelope = Envelope::read(body.as_bytes()).unwrap();
        assert_eq!(envelope.call.unwrap().arguments, "{}");
    }

    #[test]
    fn the_sdk_sees_the_message_without_the_arguments() {
        let body = r#"{"params":{"_meta":{"k":1},"name":"f\"","arguments":{"n":1e5}},"id":"x",
            "method":"tools/call","jsonrpc":"2.0"}"#;
        let envelope = Envelope::read(body.as_bytes()).unwrap();
        let seen: Value = serde_json::from_slice(&envelope.for_sdk("{}")).unwrap();
        assert_eq!(
            seen,
            json!({"jsonrpc": "2.0", "id": 0, "method": "tools/call",
                   "params": {"name": "f\"", "arguments": {}, "_meta": {"k": 1}}})
        );
        let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized","params":null}"#;
        let envelope = Envelope::read(body.as_bytes()).unwrap();
        let seen: Value = serde_json::from_slice(&envelope.for_sdk("{}")).unwrap();
        assert_eq!(
            seen,
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"})
        );
    }
}
