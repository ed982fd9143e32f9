//! Every metric, declared once. The help text is what an operator reads.
//!
//! Labels are words of closed sets, never ids or names. Each service registers
//! the group it feeds, so that no service shows a figure it doesn't know.

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    Opts, Registry, TextEncoder,
};

/// The content type of [`render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Debug, thiserror::Error)]
#[error("a metric cannot be registered")]
pub struct MetricsError(#[from] prometheus::Error);

/// From a tenth of a millisecond to a minute, doubling.
fn durations() -> Vec<f64> {
    (0..20)
        .map(|power| 0.0001 * f64::from(1 << power))
        .collect()
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, MetricsError> {
    let metric = IntCounter::new(name, help)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, MetricsError> {
    let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, MetricsError> {
    let metric = IntGauge::new(name, help)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn seconds(registry: &Registry, name: &str, help: &str) -> Result<Histogram, MetricsError> {
    let metric = Histogram::with_opts(HistogramOpts::new(name, help).buckets(durations()))?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn seconds_by(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<HistogramVec, MetricsError> {
    let metric = HistogramVec::new(HistogramOpts::new(name, help).buckets(durations()), labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// A registry that already shows the process's own figures (memory, CPU, descriptors).
///
/// # Errors
/// Where the process's figures can't be read.
pub fn registry() -> Result<Registry, MetricsError> {
    let registry = Registry::new();
    registry.register(Box::new(
        prometheus::process_collector::ProcessCollector::for_self(),
    ))?;
    Ok(registry)
}

/// The registry in Prometheus' text format.
///
/// # Errors
/// Where a metric can't be written.
pub fn render(registry: &Registry) -> Result<Vec<u8>, MetricsError> {
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(text)
}

/// What an api feeds.
#[derive(Clone, Debug)]
pub struct ApiMetrics {
    /// Labels: `route` (the pattern), `method`, `status`.
    pub requests: HistogramVec,
    /// Labels: `answer` (the tag of the script `accept`).
    pub accepts: IntCounterVec,
    pub waiting: IntGauge,
    pub log_followers: IntGauge,
    pub recorded_accepts: IntCounter,
    pub outbox: IntGauge,
}

impl ApiMetrics {
    /// # Errors
    /// Where one of them is registered already.
    pub fn register(registry: &Registry) -> Result<Self, MetricsError> {
        Ok(Self {
            requests: seconds_by(
                registry,
                "patchbay_http_request_duration_seconds",
                "Time from a request's head to its answer's end, waits included.",
                &["route", "method", "status"],
            )?,
            accepts: counters(
                registry,
                "patchbay_accepts_total",
                "Executions asked for, by what the queue decided.",
                &["answer"],
            )?,
            waiting: gauge(
                registry,
                "patchbay_waiting_requests",
                "Requests that wait for an execution to end.",
            )?,
            log_followers: gauge(
                registry,
                "patchbay_log_followers",
                "Streams that tell what an execution prints.",
            )?,
            recorded_accepts: counter(
                registry,
                "patchbay_recorded_accepts_total",
                "Asynchronous executions committed before their 202.",
            )?,
            outbox: gauge(
                registry,
                "patchbay_api_outbox_items",
                "Outcomes this api ended (cancels) that PostgreSQL has not confirmed.",
            )?,
        })
    }
}

/// What a worker feeds.
#[derive(Clone, Debug)]
pub struct WorkerMetrics {
    /// Labels: `lane` (`i`, `b`, `l`).
    pub reads: IntCounterVec,
    pub running: IntGauge,
    /// Labels: `state`, `code` (empty where it succeeded).
    pub outcomes: IntCounterVec,
    /// Labels: `answer` (the tag of the script `finish`).
    pub finishes: IntCounterVec,
    pub queue_wait: Histogram,
    pub run: Histogram,
    pub reclaims: IntCounter,
    pub losses: IntCounter,
    pub damaged: IntCounter,
    pub hand_backs: IntCounter,
    pub generic_sandboxes: IntGauge,
    pub bound_sandboxes: IntGauge,
    /// Labels: `why` (`age`, `count`, `memory`, `broken`, `dirty`, `retired`).
    pub discarded_sandboxes: IntCounterVec,
    pub binds: Histogram,
    pub outbox: IntGauge,
    pub recorded: IntCounter,
    pub unrecorded_events: IntGauge,
    /// Labels: `result` (`ready`, `broken`).
    pub builds: IntCounterVec,
    /// Labels: `result` (`ok`, `refused`, `failed`).
    pub installs: IntCounterVec,
    pub layers_bytes: IntGauge,
}

impl WorkerMetrics {
    /// # Errors
    /// Where one of them is registered already.
    #[expect(clippy::too_many_lines, reason = "a list of declarations")]
    pub fn register(registry: &Registry) -> Result<Self, MetricsError> {
        Ok(Self {
            reads: counters(
                registry,
                "patchbay_reads_total",
                "Entries read from the queue.",
                &["lane"],
            )?,
            running: gauge(
                registry,
                "patchbay_running_executions",
                "Executions this worker holds a lease of.",
            )?,
            outcomes: counters(
                registry,
                "patchbay_outcomes_total",
                "How executions ended here.",
                &["state", "code"],
            )?,
            finishes: counters(
                registry,
                "patchbay_finishes_total",
                "What the queue said to an outcome; fenced ones came too late.",
                &["answer"],
            )?,
            queue_wait: seconds(
                registry,
                "patchbay_queue_wait_seconds",
                "Time from being accepted to being started.",
            )?,
            run: seconds(
                registry,
                "patchbay_run_seconds",
                "Wall clock of the user's code.",
            )?,
            reclaims: counter(
                registry,
                "patchbay_reclaims_total",
                "Entries taken over from a worker whose lease ran out.",
            )?,
            losses: counter(
                registry,
                "patchbay_lost_leases_total",
                "Leases that another worker took while this one ran the execution.",
            )?,
            damaged: counter(
                registry,
                "patchbay_damaged_entries_total",
                "Entries nobody could read, and events nobody could record, set aside.",
            )?,
            hand_backs: counter(
                registry,
                "patchbay_hand_backs_total",
                "Entries given back unfinished.",
            )?,
            generic_sandboxes: gauge(
                registry,
                "patchbay_generic_sandboxes",
                "Sandboxes ready to be bound to a version.",
            )?,
            bound_sandboxes: gauge(
                registry,
                "patchbay_bound_sandboxes",
                "Sandboxes that hold a version.",
            )?,
            discarded_sandboxes: counters(
                registry,
                "patchbay_discarded_sandboxes_total",
                "Sandboxes thrown away, by reason.",
                &["why"],
            )?,
            binds: seconds(
                registry,
                "patchbay_bind_seconds",
                "Time to bind a sandbox to a version, its import included.",
            )?,
            outbox: gauge(
                registry,
                "patchbay_outbox_items",
                "Outcomes this worker ended that PostgreSQL has not confirmed.",
            )?,
            recorded: counter(
                registry,
                "patchbay_recorded_total",
                "Outcomes this worker committed to PostgreSQL.",
            )?,
            unrecorded_events: gauge(
                registry,
                "patchbay_unrecorded_events",
                "Events in Redis that PostgreSQL has not confirmed.",
            )?,
            builds: counters(
                registry,
                "patchbay_builds_total",
                "Versions built here.",
                &["result"],
            )?,
            installs: counters(
                registry,
                "patchbay_layer_installs_total",
                "Layers of packages installed here.",
                &["result"],
            )?,
            layers_bytes: gauge(
                registry,
                "patchbay_layers_bytes",
                "Disk taken by the layers of this host.",
            )?,
        })
    }
}

/// What a scheduler feeds.
#[derive(Clone, Debug)]
pub struct SchedulerMetrics {
    pub leading: IntGauge,
    pub term: IntGauge,
    pub certified: IntGauge,
    pub recoveries: IntCounter,
    pub settled: IntCounter,
    pub promoted: IntCounter,
    pub dropped_partitions: IntCounter,
    /// Labels: `duty`.
    pub duty: HistogramVec,
    /// Labels: `duty`.
    pub duty_failures: IntCounterVec,
}

impl SchedulerMetrics {
    /// # Errors
    /// Where one of them is registered already.
    pub fn register(registry: &Registry) -> Result<Self, MetricsError> {
        Ok(Self {
            leading: gauge(
                registry,
                "patchbay_scheduler_leading",
                "1 where this scheduler leads.",
            )?,
            term: gauge(registry, "patchbay_scheduler_term", "The leader's term.")?,
            certified: gauge(
                registry,
                "patchbay_partition_certified",
                "1 where the queue may be used, 0 while it is recovering.",
            )?,
            recoveries: counter(
                registry,
                "patchbay_recoveries_total",
                "Times the queue was settled from PostgreSQL.",
            )?,
            settled: counter(
                registry,
                "patchbay_settled_executions_total",
                "Open executions looked at while recovering.",
            )?,
            promoted: counter(
                registry,
                "patchbay_promoted_executions_total",
                "Delayed executions that became due.",
            )?,
            dropped_partitions: counter(
                registry,
                "patchbay_dropped_partitions_total",
                "Day partitions past their time, dropped.",
            )?,
            duty: seconds_by(
                registry,
                "patchbay_duty_duration_seconds",
                "Time one run of a duty takes.",
                &["duty"],
            )?,
            duty_failures: counters(
                registry,
                "patchbay_duty_failures_total",
                "Runs of a duty that failed.",
                &["duty"],
            )?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_registers_and_renders() {
        let registry = registry().unwrap();
        ApiMetrics::register(&registry).unwrap();
        WorkerMetrics::register(&registry).unwrap();
        SchedulerMetrics::register(&registry).unwrap();
        let text = String::from_utf8(render(&registry).unwrap()).unwrap();
        assert!(text.contains("patchbay_running_executions 0"), "{text}");
    }
}
