//! Reading a request's body: bounded in bytes and time, JSON in UTF-8 or refused.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use common::json::{self, Fault};
use http::{HeaderMap, Request, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::problem::{FieldError, Problem};

/// The whole body must be here after this long.
const ARRIVAL: Duration = Duration::from_secs(30);
/// Read and thrown away of a body that is too large, so that its sender gets to
/// read the answer instead of a reset.
const DRAINED: usize = 8 << 20;

/// Reads a JSON body and gives its value.
pub(crate) async fn json(request: Request<Body>, limit: usize) -> Result<Value, Problem> {
    let bytes = text(request, limit).await?;
    value(&bytes)
}

/// Reads a JSON body and gives its bytes, as they came but for a byte order mark.
pub(crate) async fn text(request: Request<Body>, limit: usize) -> Result<Bytes, Problem> {
    is_json(request.headers())?;
    let bytes = bytes(request, limit).await?;
    let skipped = bytes.len() - json::without_mark(&bytes).len();
    Ok(bytes.slice(skipped..))
}

/// The value of a JSON text.
pub(crate) fn value(bytes: &[u8]) -> Result<Value, Problem> {
    json::read(bytes).map_err(|fault| match fault {
        syntax @ Fault::Syntax { .. } => Problem::InvalidJson(syntax.to_string()),
        Fault::Value { pointer, what } => Problem::Invalid(vec![FieldError::new(pointer, what)]),
    })
}

async fn bytes(request: Request<Body>, limit: usize) -> Result<Bytes, Problem> {
    let declared = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > DRAINED as u64) {
        return Err(Problem::TooLarge(limit));
    }
    tokio::time::timeout(ARRIVAL, collect(request.into_body(), limit))
        .await
        .map_err(|_| Problem::RequestTimeout)?
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Problem> {
    let mut whole = BytesMut::new();
    let mut arrived = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::BadRequest("the body broke off"))?;
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        arrived += chunk.len();
        if arrived > DRAINED {
            break;
        }
        if arrived <= limit {
            // The usual body is one chunk: not copied.
            if whole.is_empty() && body.is_end_stream() {
                return Ok(chunk);
            }
            whole.extend_from_slice(&chunk);
        }
    }
    if arrived > limit {
        return Err(Problem::TooLarge(limit));
    }
    Ok(whole.freeze())
}

/// `application/json`, any case, any parameters but a charset other than UTF-8;
/// a missing type is taken for it.
fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let plain = headers
        .get(header::CONTENT_ENCODING)
        .is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let typed = match headers.get(header::CONTENT_TYPE) {
        None => true,
        Some(value) => value.to_str().is_ok_and(is_json_type),
    };
    if plain && typed {
        Ok(())
    } else {
        Err(Problem::UnsupportedMediaType)
    }
}

fn is_json_type(text: &str) -> bool {
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let json = media.eq_ignore_ascii_case("application/json");
    json && parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_compare_as_types() {
        for right in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json;charset=\"UTF-8\"; v=1",
        ] {
            assert!(is_json_type(right), "{right}");
        }
        for wrong in [
            "text/plain",
            "application/jsonp",
            "application/json; charset=utf-16",
            "",
        ] {
            assert!(!is_json_type(wrong), "{wrong}");
        }
    }
}
