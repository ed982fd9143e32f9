//! Having Redis write its log anew.

use std::time::Duration;

use redis::Value;

use crate::limits;
use crate::queue::error::QueueError;
use crate::queue::link::Link;

/// Has Redis write its log anew, and waits. A log that was cut inside a script
/// would otherwise give half of that script at the next restart.
///
/// # Errors
/// Where the log can't be rewritten within `patience`.
pub async fn rewrite_log(link: &Link, patience: Duration) -> Result<(), QueueError> {
    let rewrite = redis::cmd("BGREWRITEAOF");
    let waited = tokio::time::timeout(patience, async {
        // One that is under way began before our steps: wait for it, then ask.
        wait_for_rewrite(link).await?;
        link.command("rewrite", &rewrite).await?;
        if wait_for_rewrite(link)
            .await?
            .contains("aof_last_bgrewrite_status:err")
        {
            return Err(QueueError::Unfit("the log can't be rewritten"));
        }
        Ok(())
    });
    waited
        .await
        .map_err(|_| QueueError::Unfit("the log's rewriting takes too long"))?
}

/// What Redis says about its log once no rewriting is under way.
async fn wait_for_rewrite(link: &Link) -> Result<String, QueueError> {
    loop {
        let mut info = redis::cmd("INFO");
        info.arg("persistence");
        let Value::BulkString(text) = link.command("info", &info).await? else {
            return Err(QueueError::Reply {
                step: "info",
                what: "not a text",
            });
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let busy = ["aof_rewrite_in_progress:1", "aof_rewrite_scheduled:1"];
        if !busy.iter().any(|word| text.contains(word)) {
            return Ok(text);
        }
        tokio::time::sleep(limits::HELLO_EVERY / 4).await;
    }
}
