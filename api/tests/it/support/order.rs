//! What the stand-in's orders come to; [`super::worker`] lists them.

use common::execution::{ErrorCode, Failure};
use tokio::sync::watch;

/// What the order makes of an input, both JSON texts.
pub(super) async fn done(
    order: &str,
    input: &str,
    released: &mut watch::Receiver<bool>,
) -> Result<String, Failure> {
    if order == "hold" {
        released.wait_for(|released| *released).await.unwrap();
        return Ok("\"released\"".to_owned());
    }
    if order == "fail" {
        return Err(Failure {
            kind: Some("ValueError".to_owned()),
            traceback: Some("  File \"main.py\", line 3, in main\n".to_owned()),
            ..Failure::new(ErrorCode::Exception, "no such city")
        });
    }
    Ok(order.strip_prefix("say ").unwrap_or(input).to_owned())
}
