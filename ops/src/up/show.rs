//! What a person reads at the end, and the file that other programs source.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::Context as _;
use common::clock::{Clock as _, SystemClock};

use super::client::Client;
use super::place::Place;
use super::tries::Tried;

/// Longer answers are cut on the screen.
const WIDTH: usize = 100;

/// Written beside and moved into place: whoever sources it finds all or nothing.
pub(super) fn write_env(place: &Place, client: &Client) -> anyhow::Result<()> {
    let part = place.env_file.with_extension("part");
    let _none_left = fs::remove_file(&part);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)
        .with_context(|| format!("writing {}", part.display()))?;
    write!(
        file,
        "export PATCHBAY_URL='{}'\nexport PATCHBAY_API_KEY='{}'\nexport PATCHBAY_METRICS_URLS='{}'\n",
        client.url, client.key, place.metrics_urls
    )?;
    file.sync_all()?;
    fs::rename(&part, &place.env_file)?;
    Ok(())
}

pub(super) fn print(place: &Place, client: &Client, tried: &[Tried]) {
    let env = place.env_file.display();
    println!("\nPatchbay answers at {}\n", client.url);
    for Tried {
        how,
        function,
        answer,
    } in tried
    {
        println!("  {function:<14} {how:<15} {}", shortened(answer));
    }
    println!("\nThe key, also in {env} (mode 600):\n  {}", client.key);
    println!("\nTry next, after: . {env}\n{CALLS}");
    let took = SystemClock.now().as_second() - place.started;
    println!("Everything took {took} s.");
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= WIDTH {
        return text.to_owned();
    }
    let start: String = text.chars().take(WIDTH).collect();
    format!("{start}…")
}

/// One call, waited for; what was executed lately; what MCP lists.
const CALLS: &str = r#"
curl -sS "$PATCHBAY_URL/v1/namespaces/examples/functions/text.slug/executions" -H "Authorization: Bearer $PATCHBAY_API_KEY" -H 'Content-Type: application/json' -H 'Prefer: wait=10' -d '{"title": "Hello, world!"}'

curl -sS "$PATCHBAY_URL/v1/executions?limit=3" -H "Authorization: Bearer $PATCHBAY_API_KEY"

curl -sS "$PATCHBAY_URL/mcp/examples" -H "Authorization: Bearer $PATCHBAY_API_KEY" -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' -H 'MCP-Protocol-Version: 2025-06-18' -d '{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'
"#;
