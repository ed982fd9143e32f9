//! How often somebody may try: the generic cell rate algorithm in one Redis script,
//! so that all apis count together.
//!
//! Guards the doors where people guess: login and registration, by peer address and
//! by account. The address is the peer's own, never a header the client writes.
//! Without Redis these doors are closed: guessing must not become free.

use std::net::IpAddr;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::problem::Problem;

/// `KEYS[1]` when the next attempt would be on time; `ARGV` milliseconds between
/// attempts and how many may come at once. Answers the milliseconds to wait, or 0.
const TAKE: &str = r"#!lua flags=allow-oom
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gap, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local early = due + gap - gap * burst - now
if early > 0 then
  return early
end
redis.call('SET', KEYS[1], due + gap, 'PX', due + gap - now)
return 0
";

/// Gives one attempt back: it was a right one.
const GIVE_BACK: &str = r"#!lua flags=allow-oom
local due = tonumber(redis.call('GET', KEYS[1]) or '0')
if due > 0 then
  redis.call('SET', KEYS[1], due - tonumber(ARGV[1]), 'KEEPTTL')
end
return 0
";

/// A door with its allowance.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door {
    LoginByPeer,
    LoginByAccount,
    RegisterByPeer,
}

impl Door {
    /// The gap between attempts once the burst is used up, and the burst.
    const fn allowance(self) -> (Duration, u32) {
        match self {
            Self::LoginByPeer => (Duration::from_secs(3), 20),
            Self::LoginByAccount => (Duration::from_secs(6), 10),
            Self::RegisterByPeer => (Duration::from_secs(1), 120),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::LoginByPeer => "login-peer",
            Self::LoginByAccount => "login-account",
            Self::RegisterByPeer => "register-peer",
        }
    }
}

/// Counts attempts in Redis. It holds no queue data, so this link may reconnect by itself.
pub(crate) struct RateLimit {
    client: redis::Client,
    prefix: String,
    link: Mutex<Option<MultiplexedConnection>>,
}

impl std::fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimit").finish_non_exhaustive()
    }
}

impl RateLimit {
    pub(crate) fn new(client: redis::Client, prefix: String) -> Self {
        Self {
            client,
            prefix,
            link: Mutex::new(None),
        }
    }

    /// Takes one attempt, or says how long to wait.
    pub(crate) async fn take(&self, door: Door, who: &str) -> Result<(), Problem> {
        let (gap, burst) = door.allowance();
        let wait = self
            .run(TAKE, door, who, &[millis(gap), u64::from(burst)])
            .await?;
        if wait == 0 {
            return Ok(());
        }
        Err(Problem::RateLimited {
            retry_after: wait.div_ceil(1_000),
        })
    }

    /// Gives the attempt back: those who know their password are not held up.
    pub(crate) async fn give_back(&self, door: Door, who: &str) -> Result<(), Problem> {
        let (gap, _) = door.allowance();
        self.run(GIVE_BACK, door, who, &[millis(gap)]).await?;
        Ok(())
    }

    async fn run(
        &self,
        script: &str,
        door: Door,
        who: &str,
        arguments: &[u64],
    ) -> Result<u64, Problem> {
        let mut held = self.link.lock().await;
        let outcome = self
            .ask(&mut held, script, &self.key(door, who), arguments)
            .await;
        outcome.map_err(|error| {
            *held = None;
            tracing::warn!(error = %error, "attempts cannot be counted");
            Problem::QueueRecovering
        })
    }

    async fn ask(
        &self,
        held: &mut Option<MultiplexedConnection>,
        script: &str,
        key: &str,
        arguments: &[u64],
    ) -> redis::RedisResult<u64> {
        let mut link = match held.take() {
            Some(link) => link,
            None => self.client.get_multiplexed_async_connection().await?,
        };
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(1).arg(key).arg(arguments);
        let answer = command.query_async(&mut link).await?;
        *held = Some(link);
        Ok(answer)
    }

    /// Hashed, so that no address or email stands in Redis as it is.
    fn key(&self, door: Door, who: &str) -> String {
        let digest = Sha256::digest(who.as_bytes());
        let hex: String = digest[..16].iter().map(|b| format!("{b:02x}")).collect();
        format!("{}rate:{}:{hex}", self.prefix, door.as_str())
    }
}

/// The text under which a peer is counted: one IPv6 host has a whole /64.
pub(crate) fn peer_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
