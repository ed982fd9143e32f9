//! A small client of the public interface, which says what it asked when it fails.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

/// Above every wait that is asked for here.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    pub(super) url: String,
    pub(crate) key: String,
}

impl Client {
    pub(super) fn new(url: &str, key: &str) -> anyhow::Result<Self> {
        Ok(Self {
            http: reqwest::Client::builder().timeout(PATIENCE).build()?,
            url: url.to_owned(),
            key: key.to_owned(),
        })
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(self.request(Method::GET, path), path).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(self.request(Method::POST, path).json(body), path)
            .await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(self.request(Method::PUT, path).json(body), path)
            .await
    }

    /// `POST` with further headers.
    pub(super) async fn post_with(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &Value,
    ) -> anyhow::Result<Answer> {
        let mut request = self.request(Method::POST, path).json(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request, path).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        if self.key.is_empty() {
            request
        } else {
            request.bearer_auth(&self.key)
        }
    }

    async fn send(&self, request: RequestBuilder, path: &str) -> anyhow::Result<Answer> {
        let response = request
            .send()
            .await
            .with_context(|| format!("asking {path}"))?;
        let status = response.status();
        let text = response
            .text()
            .await
            .with_context(|| format!("reading {path}"))?;
        Ok(Answer {
            path: path.to_owned(),
            status,
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        })
    }
}

/// A status and a body; JSON, or the text as a JSON string.
#[derive(Debug)]
pub(super) struct Answer {
    path: String,
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Answer {
    /// The body, where the status is one of these.
    pub(super) fn expect(self, statuses: &[u16]) -> anyhow::Result<Value> {
        if statuses.contains(&self.status.as_u16()) {
            return Ok(self.body);
        }
        bail!("{} answered {}: {}", self.path, self.status, self.body)
    }
}

/// A text member of an answer.
pub(super) fn text(body: &Value, name: &str) -> anyhow::Result<String> {
    body[name]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("no \"{name}\" in {body}"))
}
