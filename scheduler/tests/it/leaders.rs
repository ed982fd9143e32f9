//! Real processes: one leads, and another takes over however the first is stopped.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::queue::{Links, Partition};
use common::testing::{Role, TestDatabase, database, redis_prefix, redis_url, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const BOUND: Duration = Duration::from_secs(30);

/// A scheduler as `ops/up` runs it. Killed when dropped.
struct Process {
    child: Child,
    admin: SocketAddr,
}

struct House {
    database: TestDatabase,
    prefix: String,
}

impl House {
    async fn new() -> Self {
        Self {
            database: database().await,
            prefix: redis_prefix(),
        }
    }

    fn start(&self) -> Process {
        let admin = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_scheduler"))
            .env_clear()
            .env(
                "DATABASE_URL",
                self.database.url(Role::Scheduler).expose_secret(),
            )
            .env("REDIS_URL", redis_url())
            .env("PATCHBAY_REDIS_PREFIX", &self.prefix)
            .env("PATCHBAY_ADMIN_LISTEN", admin.to_string())
            .env("PATCHBAY_RUN_AS", "nobody")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Process { child, admin }
    }

    fn links(&self) -> Links {
        let client = redis::Client::open(redis_url()).unwrap();
        Links::new(client, Partition::with_prefix(&self.prefix))
    }

    /// The generation, once the partition is certified under one above `than`.
    async fn certified_above(&self, than: u64) -> u64 {
        let links = self.links();
        wait_until("the partition is certified", BOUND, async || {
            match links.link().await {
                Ok(link) if link.generation() > than => Ok(link.generation()),
                other => Err(other.map(|link| link.generation())),
            }
        })
        .await
    }

    /// Redis forgets this test's keys; other tests' stay.
    async fn empty(&self) {
        let client = redis::Client::open(redis_url()).unwrap();
        let mut redis = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg(format!("{}*", self.prefix))
            .query_async(&mut redis)
            .await
            .unwrap();
        let _: u64 = redis::cmd("DEL")
            .arg(keys)
            .query_async(&mut redis)
            .await
            .unwrap();
    }
}

impl Process {
    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, signal).unwrap();
    }

    /// A page of the admin listener; empty where it does not answer within a second.
    async fn get(&self, path: &str) -> String {
        let asking = async {
            let mut stream = TcpStream::connect(self.admin).await?;
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let answer = tokio::time::timeout(Duration::from_secs(1), asking).await;
        answer.ok().and_then(Result::ok).unwrap_or_default()
    }

    async fn leads(&self) -> Option<bool> {
        let page = self.get("/metrics").await;
        let line = page
            .lines()
            .find(|line| line.starts_with("patchbay_scheduler_leading "))?;
        Some(line.ends_with(" 1"))
    }

    async fn comes_to_lead(&self, wanted: bool) {
        wait_until("leading or not", BOUND, async || match self.leads().await {
            Some(leads) if leads == wanted => Ok(()),
            other => Err(other),
        })
        .await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_standby_takes_over_when_the_leader_is_killed() {
    let house = House::new().await;
    let leader = house.start();
    leader.comes_to_lead(true).await;
    let first = house.certified_above(0).await;
    let standby = house.start();
    standby.comes_to_lead(false).await;
    drop(leader);
    standby.comes_to_lead(true).await;
    // It leads in deed: what is lost now is recovered by it.
    house.empty().await;
    house.certified_above(first).await;
}

#[tokio::test]
async fn a_leader_that_hangs_is_succeeded_and_steps_down_when_it_wakes() {
    let house = House::new().await;
    let leader = house.start();
    leader.comes_to_lead(true).await;
    let first = house.certified_above(0).await;
    let standby = house.start();
    standby.comes_to_lead(false).await;
    leader.signal(Signal::SIGSTOP);
    standby.comes_to_lead(true).await;
    house.empty().await;
    let second = house.certified_above(first).await;
    leader.signal(Signal::SIGCONT);
    leader.comes_to_lead(false).await;
    assert_eq!(standby.leads().await, Some(true));
    assert_eq!(
        house.certified_above(first).await,
        second,
        "it did not meddle"
    );
}

#[tokio::test]
async fn a_leader_whose_connection_is_cut_steps_down_and_may_lead_again() {
    let house = House::new().await;
    let process = house.start();
    process.comes_to_lead(true).await;
    let owner = house.database.connect(Role::Owner).client().await.unwrap();
    let term = async || -> i64 {
        let row = owner.query_one("select term from leadership", &[]).await;
        row.unwrap().get(0)
    };
    let before = term().await;
    let cut = "select pg_terminate_backend(pid) from pg_locks
        where locktype = 'advisory' and classid = 7306 and database =
            (select oid from pg_database where datname = current_database())";
    assert_eq!(owner.query(cut, &[]).await.unwrap().len(), 1);
    wait_until("a later term", BOUND, async || match term().await {
        after if after > before => Ok(()),
        same => Err(same),
    })
    .await;
    process.comes_to_lead(true).await;
}

#[tokio::test]
async fn a_term_signal_ends_it_at_once_and_gives_the_lead_back() {
    let house = House::new().await;
    let mut leader = house.start();
    leader.comes_to_lead(true).await;
    let standby = house.start();
    leader.signal(Signal::SIGTERM);
    let status = wait_until("it ends", BOUND, async || {
        leader.child.try_wait().unwrap().ok_or("it runs")
    })
    .await;
    assert!(status.success(), "{status}");
    standby.comes_to_lead(true).await;
    assert!(standby.get("/readyz").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn of_many_schedulers_one_leads() {
    let house = House::new().await;
    let processes: Vec<_> = (0..3).map(|_| house.start()).collect();
    house.certified_above(0).await;
    for process in &processes {
        wait_until("it answers", BOUND, async || {
            process.leads().await.ok_or(())
        })
        .await;
    }
    let mut leading = 0;
    for process in &processes {
        leading += usize::from(process.leads().await == Some(true));
    }
    assert_eq!(leading, 1);
}
