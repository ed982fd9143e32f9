//! Hearing of changes, so that what is cached is never older than a second.
//!
//! **How it works.** PostgreSQL announces each change in the transaction that makes
//! it, on the channel `patchbay`, as `<noun>:<uuid>`. A process listens on a
//! connection of its own and pings it every second.
//!
//! **What always holds.** From [`News::Listening`] until [`News::Lost`] every change
//! that is committed is told. `Lost` comes within two seconds of the connection's
//! end, however it ended: from then until the next `Listening` nothing may be kept
//! in a cache. A lookup that began before a change was told may still have read what
//! was before it: whoever caches compares an epoch that every piece of news raises.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::db::DbError;
use crate::telemetry;

const PING: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_millis(500);
/// Changes read and not yet told; the connection is not read further then.
const UNTOLD: usize = 1_024;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Noun {
    Account,
    ApiKey,
    Namespace,
    Function,
    Version,
    /// A version waits to be built.
    Build,
    /// Of the namespace with this id: one was set or deleted.
    Secrets,
}

impl Noun {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "account" => Self::Account,
            "api_key" => Self::ApiKey,
            "namespace" => Self::Namespace,
            "function" => Self::Function,
            "version" => Self::Version,
            "build" => Self::Build,
            "secrets" => Self::Secrets,
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub noun: Noun,
    pub id: Uuid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Changes are told from here on; caches, empty now, may fill.
    Listening,
    Changed(Change),
    /// Changes may go unheard: empty the caches, and keep nothing in them.
    Lost,
}

#[derive(Debug, thiserror::Error)]
enum ListenError {
    #[error("the url cannot be read")]
    Url(#[source] DbError),
    #[error("postgresql cannot be reached")]
    Connect(#[source] tokio_postgres::Error),
    #[error("listening failed")]
    Listen(#[source] tokio_postgres::Error),
    #[error("the connection does not answer")]
    Silent,
    #[error("the connection ended")]
    Ended(#[source] Option<tokio_postgres::Error>),
}

/// Listens until `stop`, connecting again for ever, and tells `heard` in order.
pub async fn listen(
    url: &SecretString,
    stop: &CancellationToken,
    mut heard: impl FnMut(News) + Send,
) {
    let mut backoff = Backoff::new(FIRST_RETRY, LAST_RETRY);
    loop {
        let mut was_listening = false;
        let mut tell = |news| {
            was_listening = true;
            heard(news);
        };
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = listen_once(url, &mut tell) => ended,
        };
        if was_listening {
            heard(News::Lost);
            backoff.reset();
        }
        let error = telemetry::chain(&ended);
        tracing::warn!(error, "changes are not heard");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(backoff.delay()) => {}
        }
    }
}

/// One connection, until it fails.
async fn listen_once(url: &SecretString, heard: &mut (impl FnMut(News) + Send)) -> ListenError {
    let config = match crate::db::settings(url) {
        Ok(config) => config,
        Err(error) => return ListenError::Url(error),
    };
    let (client, connection) = match config.connect(NoTls).await {
        Ok(both) => both,
        Err(error) => return ListenError::Connect(error),
    };
    let (tell, mut told) = mpsc::channel(UNTOLD);
    let mut reading = pin!(read(connection, tell.clone()));
    let mut living = pin!(keep_asking(&client, &tell));
    loop {
        tokio::select! {
            biased;
            Some(news) = told.recv() => heard(news),
            ended = &mut reading => return ListenError::Ended(ended),
            error = &mut living => return error,
        }
    }
}

/// Begins to listen, then pings for ever; ends with what failed.
async fn keep_asking(client: &Client, tell: &mpsc::Sender<News>) -> ListenError {
    match timeout(PING * 2, client.batch_execute("listen patchbay")).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return ListenError::Listen(error),
        Err(_) => return ListenError::Silent,
    }
    if tell.send(News::Listening).await.is_err() {
        return ListenError::Ended(None);
    }
    let mut tick = interval(PING);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match timeout(PING, client.batch_execute("select 1")).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return ListenError::Listen(error),
            Err(_) => return ListenError::Silent,
        }
    }
}

/// Drives a connection and passes on what it announces; ends with the connection.
async fn read<S, T>(
    mut connection: Connection<S, T>,
    tell: mpsc::Sender<News>,
) -> Option<tokio_postgres::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(note))) => {
                let Some(change) = parse(note.payload()) else {
                    continue;
                };
                if tell.send(News::Changed(change)).await.is_err() {
                    return None;
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Some(error),
            None => return None,
        }
    }
}

fn parse(payload: &str) -> Option<Change> {
    let (noun, id) = payload.split_once(':')?;
    Some(Change {
        noun: Noun::parse(noun)?,
        id: Uuid::try_parse(id).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_this_release_does_not_know_is_passed_over() {
        let id = Uuid::from_u128(5);
        let change = Change {
            noun: Noun::ApiKey,
            id,
        };
        assert_eq!(parse(&format!("api_key:{id}")), Some(change));
        for wrong in [
            "",
            "api_key",
            "api_key:",
            "api_key:x",
            &format!("ghost:{id}"),
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
