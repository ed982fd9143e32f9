//! A reader of Server-Sent Events, as the standard spells them.

use serde_json::Value;

use super::{BOUND, Client};

/// An event that arrived.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// Empty for text.
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

impl Event {
    pub(crate) fn text(&self) -> &str {
        assert_eq!(self.name, "", "{self:?}");
        self.data["text"].as_str().unwrap()
    }
}

/// A stream that is open.
pub(crate) struct Events {
    answer: reqwest::Response,
    got: Vec<u8>,
    last_id: String,
}

impl Events {
    /// Follows an execution, after an event where one is named.
    pub(crate) async fn follow(client: &Client, id: &str, after: Option<&str>) -> Self {
        let path = format!("/v1/executions/{id}/logs?follow=true");
        let mut request = client.request("GET", &path);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        Self {
            answer,
            got: Vec::new(),
            last_id: after.unwrap_or_default().to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.answer.headers()[name].to_str().unwrap()
    }

    /// The next event; `None` once the stream is closed.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(BOUND, self.event())
            .await
            .expect("an event, or the end")
    }

    async fn event(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.got.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.got.drain(..end + 2).collect();
                if let Some(event) = self.read(std::str::from_utf8(&block).unwrap()) {
                    return Some(event);
                }
            }
            self.got.extend(self.answer.chunk().await.unwrap()?);
        }
    }

    fn read(&mut self, block: &str) -> Option<Event> {
        let (mut name, mut data) = (String::new(), None);
        for line in block.lines().filter(|line| !line.is_empty()) {
            let (field, value) = line.split_once(':').unwrap();
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut name),
                "id" => value.clone_into(&mut self.last_id),
                "data" => {
                    assert!(data.is_none(), "two lines of data: {block}");
                    data = Some(serde_json::from_str(value).unwrap());
                }
                "" => {}
                other => panic!("a field {other:?} in {block:?}"),
            }
        }
        Some(Event {
            name,
            id: self.last_id.clone(),
            data: data?,
        })
    }

    /// All that is still to come.
    pub(crate) async fn rest(mut self) -> Vec<Event> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await {
            all.push(event);
        }
        all
    }
}
