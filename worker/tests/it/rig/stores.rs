//! What a test looks at, or does, in Redis and PostgreSQL themselves.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use common::clock::{Clock as _, SystemClock};
use common::db::{executions, processes};
use common::execution::{Ending, ErrorCode, SealedOutcome, State};
use common::ids::ExecutionId;
use common::queue::{self, Cancelled, StreamKind};
use common::testing::given::Tenant;
use common::testing::{Role, wait_until};
use nix::unistd::Pid;

use super::{BOUND, Rig};

impl Rig {
    /// Asks to cancel an execution that runs, as an api does.
    pub(crate) async fn cancel(&self, tenant: &Tenant, id: ExecutionId) {
        let link = self.queue.link().await;
        let instead = SealedOutcome {
            ending: Ending::unrun(ErrorCode::Cancelled, 0, SystemClock.now()),
            output: None,
            error: None,
            logs: None,
        };
        let cancelled = queue::cancel(&link, tenant.account, id, &instead).await;
        assert!(matches!(cancelled.unwrap(), Cancelled::Asked { .. }));
    }

    /// Waits until the execution's row says so.
    pub(crate) async fn row_is(&self, tenant: &Tenant, id: ExecutionId, state: State) {
        let database = self.database.connect(Role::Api);
        wait_until("the row is written", BOUND, async || {
            let client = database.client().await.unwrap();
            let row = executions::find(&client, tenant.account, id).await.unwrap();
            let seen = row.map(|row| row.state);
            (seen == Some(state)).then_some(()).ok_or(seen)
        })
        .await;
    }

    /// How many entries were set aside.
    pub(crate) async fn set_aside(&self) -> usize {
        let mut connection = self
            .queue
            .client
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        redis::cmd("XLEN")
            .arg(self.queue.partition.key("damaged"))
            .query_async(&mut connection)
            .await
            .unwrap()
    }

    /// How long what is told of an execution is kept from now on.
    pub(crate) async fn log_kept(&self, id: ExecutionId) -> Duration {
        let mut connection = self
            .queue
            .client
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        let left: u64 = redis::cmd("PTTL")
            .arg(self.queue.partition.log(id))
            .query_async(&mut connection)
            .await
            .unwrap();
        Duration::from_millis(left)
    }

    /// Keys of this queue that no time ends, and the bytes that Redis has for them.
    pub(crate) async fn lasting_keys(&self) -> (u64, u64) {
        let client = &self.queue.client;
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        // A scan may show a key twice.
        let (mut cursor, mut found) = (0_u64, BTreeSet::new());
        loop {
            let pattern = format!("{}*", self.queue.partition.prefix);
            let (next, some): (u64, Vec<String>) = redis::cmd("SCAN")
                .arg(cursor)
                .arg(&["MATCH", &pattern, "COUNT", "1000"])
                .query_async(&mut connection)
                .await
                .unwrap();
            found.extend(some);
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        let (mut keys, mut bytes) = (0, 0);
        for key in found {
            let asked = redis::pipe()
                .cmd("PTTL")
                .arg(&key)
                .cmd("MEMORY")
                .arg(&["USAGE", &key])
                .query_async(&mut connection)
                .await;
            let (left, size): (i64, Option<u64>) = asked.unwrap();
            // What is gone meanwhile has no size.
            if left == -1 {
                keys += 1;
                bytes += size.unwrap_or(0);
            }
        }
        (keys, bytes)
    }

    /// From here on Redis refuses what needs memory: only for one of the test's own.
    pub(crate) async fn without_memory(&self) {
        let client = &self.queue.client;
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("CONFIG")
            .arg(&["SET", "maxmemory", "1"])
            .exec_async(&mut connection)
            .await
            .unwrap();
    }

    /// How often it refused so.
    pub(crate) async fn refused_for_memory(&self) -> u32 {
        let client = &self.queue.client;
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let told: String = redis::cmd("INFO")
            .arg("errorstats")
            .query_async(&mut connection)
            .await
            .unwrap();
        let count = told
            .lines()
            .find_map(|line| line.strip_prefix("errorstat_OOM:count="));
        count.map_or(0, |count| count.trim().parse().unwrap())
    }

    /// Puts an entry of these fields into a stream, as no script of ours does.
    pub(crate) async fn plant(&self, stream: StreamKind, fields: &[(&str, &str)]) {
        let mut connection = self
            .queue
            .client
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        let _: String = redis::cmd("XADD")
            .arg(self.queue.partition.stream(stream))
            .arg("*")
            .arg(fields)
            .query_async(&mut connection)
            .await
            .unwrap();
    }

    /// The server's process, for a Redis of the test's own.
    pub(crate) async fn redis_pid(&self) -> Pid {
        let mut connection = self
            .queue
            .client
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        let told: String = redis::cmd("INFO")
            .arg("server")
            .query_async(&mut connection)
            .await
            .unwrap();
        let pid = told
            .lines()
            .find_map(|line| line.strip_prefix("process_id:"))
            .unwrap();
        Pid::from_raw(pid.trim().parse().unwrap())
    }

    /// Empties the whole Redis: only for one of the test's own.
    pub(crate) async fn flush(&self) {
        let mut connection = self
            .queue
            .client
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        let _: String = redis::cmd("FLUSHALL")
            .query_async(&mut connection)
            .await
            .unwrap();
    }

    /// Tells who listens that a tenant's version has changed, as a trigger does.
    pub(crate) async fn announce_version(&self, tenant: &Tenant) {
        let client = self.database.connect(Role::Owner).client().await.unwrap();
        let news = format!("notify patchbay, 'version:{}'", tenant.version.uuid());
        client.batch_execute(&news).await.unwrap();
    }

    /// Has PostgreSQL write all it has to its files.
    pub(crate) async fn checkpoint(&self) {
        let client = self.database.connect(Role::Owner).client().await.unwrap();
        client.batch_execute("checkpoint").await.unwrap();
    }

    /// The consumers of every stream's group.
    pub(crate) async fn consumers(&self) -> Vec<String> {
        let mut connection = self
            .queue
            .client
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        let mut names = Vec::new();
        for stream in StreamKind::ALL {
            let found: Vec<HashMap<String, redis::Value>> = redis::cmd("XINFO")
                .arg("CONSUMERS")
                .arg(self.queue.partition.stream(stream))
                .arg(queue::GROUP)
                .query_async(&mut connection)
                .await
                .unwrap();
            for mut consumer in found {
                let name = consumer.remove("name").unwrap();
                names.push(redis::from_redis_value(name).unwrap());
            }
        }
        names
    }

    /// How many processes have a row.
    pub(crate) async fn processes(&self) -> usize {
        let client = self
            .database
            .connect(Role::Scheduler)
            .client()
            .await
            .unwrap();
        processes::list(&client).await.unwrap().len()
    }
}
