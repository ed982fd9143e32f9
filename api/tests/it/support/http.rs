//! Asking, and looking at answers.

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    credential: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(url: &str, credential: Option<&str>) -> Self {
        Self {
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            url: url.to_owned(),
            credential: credential.map(str::to_owned),
        }
    }

    /// The same asker at another api.
    pub(crate) fn at(&self, url: &str) -> Self {
        Self::new(url, self.credential.as_deref())
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().unwrap();
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.credential {
            Some(credential) => request.bearer_auth(credential),
            None => request,
        }
    }

    pub(crate) async fn send(request: RequestBuilder) -> Reply {
        let answer = request.send().await.unwrap();
        Reply {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.bytes().await.unwrap().to_vec(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        Self::send(self.request("GET", path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        Self::send(self.request("DELETE", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        Self::send(self.request("POST", path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Reply {
        Self::send(self.request("PUT", path).json(body)).await
    }

    /// A body as it is, called JSON.
    pub(crate) async fn raw(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Reply {
        let request = self.request(method, path).body(body.into());
        Self::send(request.header("content-type", "application/json")).await
    }
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The body of an answer with this status.
    pub(crate) fn must_be(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// The document of a problem, whole: RFC 9457 and what we promise besides.
    pub(crate) fn must_tell(&self, status: u16, code: &str) -> Value {
        let document = self.must_be(status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(document["code"], code, "{document}");
        assert_eq!(document["type"], format!("urn:patchbay:problem:{code}"));
        assert_eq!(document["status"], status);
        assert!(document["title"].is_string() && document["detail"].is_string());
        assert!(document["instance"].is_string(), "{document}");
        assert_eq!(document["request_id"], self.header("x-request-id"));
        if status == 401 {
            assert!(self.header("www-authenticate").starts_with("Bearer"));
        }
        if status == 429 || status == 503 {
            let seconds: u64 = self.header("retry-after").parse().unwrap();
            assert!(seconds >= 1);
        }
        document
    }

    /// The pointers of a 422.
    pub(crate) fn pointers(&self) -> Vec<String> {
        let document = self.json();
        let errors = document["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("{document}"));
        let pointers = errors
            .iter()
            .map(|error| error["pointer"].as_str().unwrap());
        pointers.map(str::to_owned).collect()
    }
}
