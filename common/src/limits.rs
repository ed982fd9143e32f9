//! Every bound of the system that no plan sets. One place, each with its reason.
//!
//! A bound named here has a test on it and one past it.

use std::time::Duration;

// --- what people send -------------------------------------------------------

/// An execution's input, as JSON text.
pub const INPUT_BYTES: usize = 1 << 20;
/// An execution's result, as JSON text.
pub const OUTPUT_BYTES: usize = 1 << 20;
/// A function's source, all files together.
pub const CODE_BYTES: usize = 1 << 20;
/// Files of a function, and the folders they are in, each: both are inodes of a small tmpfs.
pub const CODE_FILES: usize = 200;
/// A file's path.
pub const CODE_NAME_BYTES: usize = 200;
pub const DESCRIPTION_BYTES: usize = 4 << 10;
pub const SCHEMA_BYTES: usize = 64 << 10;
/// Any other request body.
pub const BODY_BYTES: usize = 64 << 10;
/// A function's body: code, both schemas and the description, JSON-escaped.
pub const FUNCTION_BODY_BYTES: usize = 4 << 20;
/// JSON nesting of inputs, outputs and schemas.
pub const JSON_DEPTH: usize = 128;
/// Digits of an integer, as CPython bounds them (`sys.int_info.default_max_str_digits`).
pub const INTEGER_DIGITS: usize = 4_300;
/// A secret's value.
pub const SECRET_BYTES: usize = 32 << 10;
/// A secret's body: its value, JSON-escaped.
pub const SECRET_BODY_BYTES: usize = 6 * SECRET_BYTES + (1 << 10);
pub const SECRETS_PER_NAMESPACE: i64 = 100;
/// A namespace's secrets together, as they are stored. What looks for them in the output of
/// a call takes up to seventy times as much memory.
pub const SECRETS_BYTES: i64 = 128 << 10;
/// Of opened secrets, kept in one worker.
pub const SECRETS_KEPT_BYTES: usize = 1 << 20;
/// Environment values a version declares, and those of one call.
pub const ENV_NAMES: usize = 64;
pub const ENV_NAME_BYTES: usize = 128;
/// `Patchbay-Env`, as JSON text; 8 KiB of base64.
pub const ENV_BYTES: usize = 6 << 10;
/// Values shorter than this are not masked: any text has such words.
pub const MASKED_CHARACTERS: usize = 6;
pub const TAGS: usize = 16;
pub const TAG_BYTES: usize = 64;
pub const NAME_BYTES: usize = 200;
pub const EMAIL_BYTES: usize = 254;
pub const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 10..=1_024;
pub const API_KEYS_PER_ACCOUNT: i64 = 100;
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;
/// `Prefer: wait=` and `?wait=`; more is taken as this.
pub const WAIT: Duration = Duration::from_secs(60);
pub const PAGE: std::ops::RangeInclusive<u32> = 1..=200;
pub const PAGE_DEFAULT: u32 = 50;
/// Hosts a version may name, whatever its plan says, and how each may be written.
pub const NETWORK_HOSTS_MOST: usize = 256;
pub const NETWORK_HOST_BYTES: usize = 260;
/// Packages a version may ask for, and how each may be written.
pub const REQUIREMENTS: usize = 100;
pub const REQUIREMENT_BYTES: usize = 256;
/// What requirements are resolved to, with the hashes of all wheels.
pub const LOCK_BYTES: usize = 2 << 20;
/// Resolving; installing takes as long as the operator says.
pub const RESOLVE: Duration = Duration::from_secs(60);
/// Files of installed packages.
pub const LAYER_FILES: u64 = 100_000;
/// Downloaded besides what is installed: indexes and metadata.
pub const INDEX_BYTES: u64 = 256 << 20;
/// What the package index answered, as far as it is told.
pub const RESOLVER_WORDS_BYTES: usize = 4 << 10;
/// A version's import, before its sandbox counts as broken.
pub const IMPORT: Duration = Duration::from_secs(10);
/// How long a request waits for a version that is being built.
pub const BUILD_WAIT: Duration = Duration::from_secs(15);

// --- sandboxes ----------------------------------------------------------------

/// Files and folders that fit in `/tmp`, whatever the plan's bytes.
pub const SCRATCH_FILES: u64 = 16_384;

// --- logs ---------------------------------------------------------------------

/// Kept of stdout and of stderr, each.
pub const LOG_BYTES: usize = 256 << 10;
/// Printed in all, before the execution ends `output_too_large`.
pub const LOG_DRAIN_BYTES: u64 = 64 << 20;

/// Of what one execution prints this much is in Redis while it runs, sealed: all that
/// is kept of it, and as much again for the frames of small pieces.
pub const LIVE_LOG_BYTES: usize = 4 * LOG_BYTES;
/// It stays for so long after the last moment at which the execution may still run.
pub const LIVE_LOG_KEPT: Duration = Duration::from_secs(60);
/// Text that is sealed together, and that one event of a stream has at most.
pub const LIVE_TEXT_BYTES: usize = 16 << 10;
/// Read at once for one who follows: more than two of these texts, however small their pieces.
pub const LIVE_READ_BYTES: usize = 64 << 10;
/// Who follow logs at one api.
pub const FOLLOWERS: usize = 1_024;
/// Of one account as many as its plan has executions at once, and at least so many.
pub const FOLLOWERS_LEAST: u32 = 8;
/// One who follows reads no more often than this: what comes meanwhile comes together.
pub const FOLLOW_EVERY: Duration = Duration::from_millis(100);
/// How often it is asked whether who follows may still do so: within the second after
/// which a revoked key is dead.
pub const FOLLOW_ASK: Duration = Duration::from_millis(500);
/// A stream that says nothing says at least that it is there.
pub const FOLLOW_COMMENT: Duration = Duration::from_secs(15);
/// A stream ends after this long; who wants more comes back.
pub const FOLLOW: Duration = Duration::from_secs(900);

// --- queue ----------------------------------------------------------------------

pub const LEASE: Duration = Duration::from_millis(2_000);
pub const RENEW_EVERY: Duration = Duration::from_millis(500);
/// Without a good renewal for this long a worker kills its own sandboxes.
pub const STOP_SANDBOX: Duration = Duration::from_millis(1_500);
pub const RECLAIM_EVERY: Duration = Duration::from_millis(250);
pub const RECLAIM_AT_ONCE: usize = 16;
/// Starts of one execution whose workers were lost.
pub const STARTS: u32 = 3;
/// An outcome stays in Redis this long after it was recorded.
pub const RESULT_KEPT: Duration = Duration::from_secs(900);
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(24 * 3_600);
pub const RECORD_EVERY: Duration = Duration::from_millis(100);
pub const RECORD_BATCH: usize = 500;
/// Of texts in one batch of outcomes, about.
pub const RECORD_BATCH_BYTES: usize = 8 << 20;
pub const SWEEP_AFTER: Duration = Duration::from_secs(2);
/// Events of one sweep; each may carry an input and an output.
pub const SWEEP_AT_ONCE: usize = 100;
pub const OUTBOX_ITEMS: usize = 10_000;
pub const OUTBOX_BYTES: usize = 64 << 20;
/// Events not yet recorded; past it `accept` answers `behind`.
pub const EVENTS: u64 = 200_000;
pub const PROMOTE_AT_ONCE: usize = 16;
pub const SETTLE_ROWS: usize = 64;
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
pub const DEAD_AFTER: Duration = Duration::from_secs(5);
pub const HELLO_EVERY: Duration = Duration::from_millis(200);
/// How long Redis may take to write its log anew before a recovery begins again.
pub const LOG_REWRITE: Duration = Duration::from_secs(120);
pub const WAITERS_PER_EXECUTION: usize = 8;
/// Between two greetings of a process while the partition is recovering.
pub const GREET_EVERY: Duration = Duration::from_millis(50);
pub const REDIS_CONNECT: Duration = Duration::from_secs(3);
/// Redis may hold back an answer for two seconds while its disk is slow.
pub const REDIS_ANSWER: Duration = Duration::from_secs(3);
/// How long one read waits for entries.
pub const READ_BLOCK: Duration = Duration::from_secs(1);
/// A subscription asks for a sign of life after this long without a message.
pub const SUBSCRIPTION_PING: Duration = Duration::from_secs(5);
/// Bytes of open executions' bodies where Redis has no `maxmemory` of which to take a quarter.
pub const OPEN_BYTES: u64 = 256 << 20;
/// Pending entries one reclaim looks at, of each stream.
pub const RECLAIM_LOOK: usize = 256;
/// Damaged entries kept for a look, the oldest dropped first.
pub const DAMAGED: usize = 1_000;
/// After the last damaged entry all of them go: they may hold sealed inputs.
pub const DAMAGED_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// Asynchronous accepts waiting for their PostgreSQL batch.
pub const ACCEPT_WAITING: usize = 4_096;
pub const ACCEPT_BATCH: usize = 256;

// --- keeping ----------------------------------------------------------------------

/// Days an execution's row is kept.
pub const EXECUTION_DAYS: i64 = 90;
/// Day partitions that exist ahead of today, and behind it at the start.
pub const PARTITION_DAYS_AHEAD: i64 = 3;
pub const PARTITION_DAYS_BEHIND: i64 = 1;
