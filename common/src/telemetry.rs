//! Logs: one JSON object a line, on standard error, in UTC.
//!
//! Never in a log line: inputs, outputs, what code printed, code, keys, emails.
//! Ids are fields with one name each: `request.id`, `execution.id`, `account.id`.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The MCP library prints whole messages, inputs and outputs, at `debug`.
const SILENT: &[&str] = &["rmcp=off"];

/// Starts logging for this process; the second call in a process does nothing.
///
/// `filter` is an env-filter directive such as `info` or `info,common::queue=debug`;
/// one that can't be read counts as `info`.
pub fn start(service: &'static str, filter: &str) {
    let mut filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // Whatever was asked for: some libraries log what passes through them.
    filter = SILENT
        .iter()
        .filter_map(|directive| directive.parse().ok())
        .fold(filter, EnvFilter::add_directive);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(std::io::stderr);
    if tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .is_ok()
    {
        tell_panics();
        tracing::info!(
            service,
            version = env!("CARGO_PKG_VERSION"),
            "logging started"
        );
    }
}

/// From here on a panic is logged with its place. What it says stays unsaid: it may hold
/// what somebody sent.
fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place = place.unwrap_or_default(), "panicked");
    }));
}

/// An error and its causes on one line, for the place that handles it.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_told_by_its_place_alone() {
        let lines = Lines::default();
        let writer = lines.clone();
        let logger = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let panicked = tracing::subscriber::with_default(logger.finish(), || {
            tell_panics();
            std::panic::catch_unwind(|| panic!("open sesame"))
        });
        assert!(panicked.is_err());
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("telemetry.rs"), "{text}");
        assert!(!text.contains("sesame"), "{text}");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::fmt::Error);

    #[test]
    fn a_chain_names_every_cause() {
        let text = chain(&Outer(std::fmt::Error));
        assert!(text.starts_with("outer: "), "{text}");
    }
}
