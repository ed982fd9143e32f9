//! Waiting until every process says that it is ready.

use std::time::Duration;

use anyhow::{Context as _, bail};
use common::clock::{Clock as _, SystemClock};

/// Sandboxes are booted and the queue certified well within this.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// Asks `/readyz` of each `name=http://host:port` until all answer 200.
///
/// # Errors
/// Names what is not ready in time, with what it says is missing.
pub async fn ready(listeners: &[String]) -> anyhow::Result<()> {
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(2))
        .build()?;
    let until = SystemClock.steady() + PATIENCE;
    for listener in listeners {
        let (name, url) = listener
            .split_once('=')
            .with_context(|| format!("{listener} is not NAME=URL"))?;
        while let Err(missing) = ask(&http, url).await {
            if SystemClock.steady() >= until {
                bail!(
                    "{name} is not ready after {} s: {missing}",
                    PATIENCE.as_secs()
                );
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

/// What is missing, as text; everything the caller does with it is say it.
async fn ask(http: &reqwest::Client, url: &str) -> Result<(), String> {
    let answer = http
        .get(format!("{url}/readyz"))
        .send()
        .await
        .map_err(|_| "it does not answer".to_owned())?;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(answer
        .text()
        .await
        .unwrap_or_default()
        .trim()
        .replace('\n', "; "))
}
