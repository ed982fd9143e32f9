//! `GET /v1/executions/{id}/logs?follow=true`: what the code prints, while it prints.
//!
//! Server-Sent Events. Each event's data is one JSON object, so no byte of a log can be
//! a field of the stream. Events without a name are text:
//! `{"stream": "stdout" | "stderr", "text": …, "at": …}`; those of one stream, put together,
//! are its log. One event is what came together, at most 16 KiB: whole lines where their
//! ends come within a tenth of a second, never half a character. `at` is when it came;
//! for what is only known from the stored log, when the execution ended.
//!
//! An event's id says how much of both streams came before it, so `Last-Event-ID`
//! resumes at any api, also after the execution has ended. `event: restart`, data
//! `{"attempt": n}`: what came before is of a run that did not end, and the log begins
//! anew. `event: end`, data `{"status": …, "truncated": …}`, is the last: a client that
//! sees the stream close without it comes back. That happens when an api stops, after
//! fifteen minutes, and when the caller's key is revoked or what it came with expires.

use std::convert::Infallible;
use std::sync::Arc;

use axum::response::IntoResponse as _;
use axum::response::sse::{Event, KeepAlive, Sse};
use common::accept::{Crowded, Follower, Heard};
use common::limits::{FOLLOW, FOLLOW_COMMENT};
use common::live_log::{Place, Stream as Printed, Told};
use common::telemetry;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::named;
use crate::app::App;
use crate::call::Call;
use crate::caller::lasting::Lasting;
use crate::execution::namespace_of;
use crate::problem::Problem;
use crate::routes::Answer;
use crate::scope::Scope;

const LAST_EVENT_ID: &str = "last-event-id";
/// What it takes for nginx to pass on what comes as it comes.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(super) async fn answer(app: Arc<App>, call: Call) -> Answer {
    let after = after(call.headers())?;
    let (id, standing) = named(&app, &call, None).await?;
    let caller = call.caller()?;
    let lasting = Lasting::of(&app, caller, call.headers())?;
    let follower = app
        .accept
        .follow((caller.account_id(), caller.account.plan), id, after)
        .map_err(|crowded| match crowded {
            Crowded::Account => Problem::FollowersExceeded,
            Crowded::Process => Problem::FollowersFull,
        })?;
    let namespace = namespace_of(&standing);
    let over = lasting.over(move |caller| {
        caller.must_have(Scope::ExecutionsRead).is_ok() && caller.may_use(namespace)
    });
    let mut response = Sse::new(bounded(events(follower), over))
        .keep_alive(KeepAlive::new().interval(FOLLOW_COMMENT))
        .into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
    Ok(response)
}

/// The place after which to go on; an empty one is none.
fn after(headers: &HeaderMap) -> Result<Option<Place>, Problem> {
    let wrong = || Problem::field("Last-Event-ID", "not the id of an event of this stream");
    let mut given = headers.get_all(LAST_EVENT_ID).iter();
    let Some(value) = given.next().filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    if given.next().is_some() {
        return Err(wrong());
    }
    let text = value.to_str().map_err(|_| wrong())?;
    text.parse().map(Some).map_err(|_| wrong())
}

/// The follower's events until the last; it leaves with the stream. An event is written
/// when the one before was taken, so that a slow reader holds the log once and no more.
fn events(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    stream::unfold(Some(follower), |follower| async {
        let mut follower = follower?;
        match follower.next().await {
            Ok(Heard::Told(told)) => Some(((told, None), Some(follower))),
            Ok(Heard::Ended {
                rest,
                state,
                truncated,
            }) => {
                let end = json!({"status": state, "truncated": truncated});
                Some(((rest, Some(end.to_string())), None))
            }
            Ok(Heard::Over) => None,
            Err(refusal) => {
                let error = telemetry::chain(&refusal);
                tracing::warn!(error, "a log is followed no further");
                None
            }
        }
    })
    .flat_map(|(told, end)| {
        let end = end.map(|end| Event::default().event("end").data(end));
        stream::iter(told.into_iter().map(shown).chain(end).map(Ok))
    })
}

/// The same, for as long as one stream may last, and no longer than until `over`.
fn bounded<S: Stream + Send>(
    events: S,
    over: impl Future<Output = ()> + Send,
) -> impl Stream<Item = S::Item> + Send {
    events.take_until(tokio::time::timeout(FOLLOW, over))
}

#[derive(Serialize)]
struct Text<'a> {
    stream: Printed,
    text: &'a str,
    at: Timestamp,
}

fn shown(told: Told) -> Event {
    match told {
        Told::Text {
            stream,
            text,
            at,
            place,
        } => {
            let text = &text;
            let data = one_line(&Text { stream, text, at });
            Event::default().id(place.to_string()).data(data)
        }
        Told::Restart { attempt, place } => Event::default()
            .event("restart")
            .id(place.to_string())
            .data(json!({"attempt": attempt}).to_string()),
    }
}

/// As JSON, in one line for everybody: some clients take for an end of a line what
/// Unicode calls one, and JSON doesn't escape those.
fn one_line(text: &Text<'_>) -> String {
    // A text and a time always become JSON.
    let json = serde_json::to_string(text).unwrap_or_default();
    if !json.contains(['\u{85}', '\u{2028}', '\u{2029}']) {
        return json;
    }
    json.replace('\u{85}', "\\u0085")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, Instant};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_says_nothing_comments_and_ends_in_time() {
        let began = Instant::now();
        let silent = stream::pending::<Result<Event, Infallible>>();
        let response = Sse::new(bounded(silent, std::future::pending()))
            .keep_alive(KeepAlive::new().interval(FOLLOW_COMMENT))
            .into_response();
        let mut body = response.into_body().into_data_stream();
        let mut comments = 0;
        while let Some(chunk) = body.next().await {
            assert_eq!(&*chunk.unwrap(), b":\n\n");
            comments += 1;
            assert!(began.elapsed() < FOLLOW + Duration::from_secs(1));
        }
        assert_eq!(began.elapsed().as_secs(), FOLLOW.as_secs());
        assert!(comments >= FOLLOW.as_secs() / FOLLOW_COMMENT.as_secs() - 1);
    }

    #[test]
    fn no_end_of_a_line_in_any_sense_stands_in_an_event() {
        let ends: String = (0..=0x1f)
            .map(char::from)
            .chain("\u{7f}\u{85}\u{2028}\u{2029}".chars())
            .collect();
        let text = Text {
            stream: Printed::Stdout,
            text: &ends,
            at: Timestamp::UNIX_EPOCH,
        };
        let json = one_line(&text);
        assert!(!json.contains(|c: char| c < ' ' || "\u{85}\u{2028}\u{2029}".contains(c)));
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["text"], ends);
    }

    #[test]
    fn an_event_id_is_taken_once_or_not_at_all() {
        let headers = |values: &[&str]| {
            let values = values.iter().map(|value| {
                let name = HeaderName::from_static(LAST_EVENT_ID);
                (name, HeaderValue::from_str(value).unwrap())
            });
            values.collect::<HeaderMap>()
        };
        assert_eq!(after(&headers(&[])).unwrap(), None);
        assert_eq!(after(&headers(&[""])).unwrap(), None);
        let place = after(&headers(&["17-3-4"])).unwrap().unwrap();
        assert_eq!(place.to_string(), "17-3-4");
        for wrong in [&["x"][..], &["1-2"], &["1-2-3", "1-2-3"], &["1-2--3"]] {
            assert!(after(&headers(wrong)).is_err(), "{wrong:?}");
        }
    }
}
