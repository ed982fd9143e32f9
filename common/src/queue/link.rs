//! Connections, and the generation each of them greeted under.
//!
//! The log brings a partition's certificate back after a restart of Redis, so
//! only a greeting on the new connection tells that memory may be lost. Hence a
//! [`Link`] is one connection that never reconnects: when it fails, or a script
//! answers `recovering`, the next call of [`Links::link`] greets again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, ServerErrorKind, Value};
use tokio::time::Instant;

use super::error::QueueError;
use super::keys::Partition;
use super::reply::Reply;
use super::script::{self, Script};
use crate::limits;

/// How the partition stands, as its server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    pub standing: Standing,
    /// The server's clock: milliseconds since 1970.
    pub server_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Usable, under this generation.
    Certified(u64),
    /// Not usable; the generation under construction, once somebody began.
    Recovering(Option<u64>),
}

/// One connection and the generation it greeted under. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Link {
    connection: MultiplexedConnection,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    partition: Partition,
    gen_key: String,
    /// What `{p}:gen` must hold, or `{p}:recovering` for a link of a recovery.
    stamp: String,
    generation: u64,
    run_id: String,
    open_bytes: u64,
    /// Greet again before the next use.
    stale: AtomicBool,
    /// Over a new connection.
    broken: AtomicBool,
}

impl Link {
    /// The generation rows written on account of this link belong to.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.inner.generation
    }

    #[must_use]
    pub fn partition(&self) -> &Partition {
        &self.inner.partition
    }

    /// Makes the next [`Links::link`] greet again, over a new connection.
    pub fn give_up(&self) {
        self.inner.broken.store(true, Ordering::Relaxed);
        self.inner.stale.store(true, Ordering::Relaxed);
    }

    fn is_stale(&self) -> bool {
        self.inner.stale.load(Ordering::Relaxed)
    }

    /// The incarnation of the server that was greeted.
    pub(super) fn run_id(&self) -> &str {
        &self.inner.run_id
    }

    /// Bytes of open executions at which `accept` answers `full`.
    pub(super) fn open_bytes(&self) -> u64 {
        self.inner.open_bytes
    }

    /// Runs a script; gives its tag and the rest of its answer.
    pub(super) async fn call(
        &self,
        script: &'static Script,
        arguments: impl FnOnce(&mut Cmd),
    ) -> Result<(String, Reply), QueueError> {
        let result = self.call_unmarked(script, arguments).await;
        match &result {
            Ok(_) => {}
            // The connection answered: greet again over the same.
            Err(QueueError::Recovering | QueueError::OutOfMemory) => {
                self.inner.stale.store(true, Ordering::Relaxed);
            }
            Err(_) => self.give_up(),
        }
        result
    }

    async fn call_unmarked(
        &self,
        script: &'static Script,
        arguments: impl FnOnce(&mut Cmd),
    ) -> Result<(String, Reply), QueueError> {
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.sha()).arg(1);
        command.arg(&self.inner.gen_key).arg(&self.inner.stamp);
        arguments(&mut command);
        let mut connection = self.connection.clone();
        let value = evaluate(&mut connection, script, &command).await?;
        let mut reply = Reply::new(script.name, value)?;
        let tag = reply.text()?;
        if tag == "recovering" {
            return Err(QueueError::Recovering);
        }
        Ok((tag, reply))
    }

    /// A plain command, for what no script can do.
    pub(super) async fn command(
        &self,
        step: &'static str,
        command: &Cmd,
    ) -> Result<Value, QueueError> {
        let mut connection = self.connection.clone();
        let result = command.query_async(&mut connection).await;
        result.map_err(|source| {
            self.give_up();
            QueueError::from_redis(step, source)
        })
    }
}

/// Opens links to one partition. Shared by all tasks of a process.
#[derive(Clone, Debug)]
pub struct Links(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: redis::Client,
    partition: Partition,
    current: Mutex<Option<Link>>,
    door: tokio::sync::Mutex<Door>,
}

/// What only one task at a time may use: the connection greetings go over.
#[derive(Debug, Default)]
struct Door {
    connection: Option<MultiplexedConnection>,
    refused_at: Option<Instant>,
}

impl Links {
    #[must_use]
    pub fn new(client: redis::Client, partition: Partition) -> Self {
        Self(Arc::new(Shared {
            client,
            partition,
            current: Mutex::new(None),
            door: tokio::sync::Mutex::default(),
        }))
    }

    #[must_use]
    pub fn client(&self) -> &redis::Client {
        &self.0.client
    }

    #[must_use]
    pub fn partition(&self) -> &Partition {
        &self.0.partition
    }

    /// The present link, greeted if need be.
    ///
    /// # Errors
    /// `Recovering` while the partition is not certified; then the server is
    /// asked again at most every [`limits::GREET_EVERY`].
    pub async fn link(&self) -> Result<Link, QueueError> {
        if let Some(link) = self.present() {
            return Ok(link);
        }
        let mut door = self.0.door.lock().await;
        if let Some(link) = self.present() {
            return Ok(link);
        }
        if door
            .refused_at
            .is_some_and(|at| at.elapsed() < limits::GREET_EVERY)
        {
            return Err(QueueError::Recovering);
        }
        if let Some(last) = self.slot().take()
            && last.inner.broken.load(Ordering::Relaxed)
        {
            door.connection = None;
        }
        let (connection, greeting) = self.greet(&mut door).await?;
        let Standing::Certified(generation) = greeting.hello.standing else {
            door.refused_at = Some(Instant::now());
            return Err(QueueError::Recovering);
        };
        door.refused_at = None;
        let link = self.over(connection, &greeting, greeting.stamp.clone(), generation);
        *self.slot() = Some(link.clone());
        Ok(link)
    }

    /// How the partition stands; asks the server. Never answered from memory.
    ///
    /// # Errors
    /// Where Redis does not answer or is not fit.
    pub async fn hello(&self) -> Result<Hello, QueueError> {
        let mut door = self.0.door.lock().await;
        Ok(self.greet(&mut door).await?.1.hello)
    }

    /// A link for what may be done while generation `generation` is under construction.
    ///
    /// # Errors
    /// Where Redis does not answer; each script refuses for itself once another
    /// recovery began or the partition is certified.
    pub async fn recovering(&self, generation: u64) -> Result<Link, QueueError> {
        let mut door = self.0.door.lock().await;
        let (connection, greeting) = self.greet(&mut door).await?;
        Ok(self.over(connection, &greeting, generation.to_string(), generation))
    }

    fn over(
        &self,
        connection: MultiplexedConnection,
        greeting: &Greeting,
        stamp: String,
        generation: u64,
    ) -> Link {
        Link {
            connection,
            inner: Arc::new(Inner {
                partition: self.0.partition.clone(),
                gen_key: self.0.partition.key("gen"),
                stamp,
                generation,
                run_id: greeting.run_id.clone(),
                open_bytes: greeting.open_bytes,
                stale: AtomicBool::new(false),
                broken: AtomicBool::new(false),
            }),
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Link>> {
        self.0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn present(&self) -> Option<Link> {
        self.slot().clone().filter(|link| !link.is_stale())
    }

    /// Greets over the connection that is there, or else over a new one.
    async fn greet(
        &self,
        door: &mut Door,
    ) -> Result<(MultiplexedConnection, Greeting), QueueError> {
        // It stays where it is meanwhile: whoever asks may be dropped in the middle.
        if let Some(mut connection) = door.connection.clone()
            && let Ok(greeting) = self.ask(&mut connection).await
        {
            return Ok((connection, greeting));
        }
        door.connection = None;
        let mut connection = connect(&self.0.client).await?;
        for script in script::ALL {
            let loaded: Result<Value, _> = script.load().query_async(&mut connection).await;
            loaded.map_err(|source| QueueError::from_redis("script load", source))?;
        }
        let greeting = self.ask(&mut connection).await?;
        door.connection = Some(connection.clone());
        Ok((connection, greeting))
    }

    async fn ask(&self, connection: &mut MultiplexedConnection) -> Result<Greeting, QueueError> {
        let mut command = redis::cmd("EVALSHA");
        command
            .arg(script::HELLO.sha())
            .arg(1)
            .arg(self.0.partition.key("gen"));
        let value = evaluate(connection, &script::HELLO, &command).await?;
        Greeting::read(value)
    }
}

#[derive(Debug)]
struct Greeting {
    hello: Hello,
    stamp: String,
    run_id: String,
    open_bytes: u64,
}

impl Greeting {
    fn read(value: Value) -> Result<Self, QueueError> {
        let mut reply = Reply::new("hello", value)?;
        let certified = reply.text()? == "certified";
        let stamp = reply.text()?;
        let under_construction = reply.text()?.parse().ok();
        let run_id = reply.text()?;
        let server_ms = reply.number()?;
        if reply.text()? != "noeviction" {
            return Err(QueueError::Unfit("maxmemory-policy must be noeviction"));
        }
        if reply.number()? != 1 {
            return Err(QueueError::Unfit("appendonly must be yes"));
        }
        let open_bytes = match reply.number()? {
            0 => limits::OPEN_BYTES,
            memory => memory / 4,
        };
        let standing = if certified {
            let first = stamp.split(' ').next().and_then(|word| word.parse().ok());
            Standing::Certified(first.ok_or_else(|| reply.wrong("not a generation"))?)
        } else {
            Standing::Recovering(under_construction)
        };
        Ok(Self {
            hello: Hello {
                standing,
                server_ms: i64::try_from(server_ms).unwrap_or(i64::MAX),
            },
            stamp,
            run_id,
            open_bytes,
        })
    }
}

/// A connection of its own, with an answer's bound that a stalled disk does not hit.
async fn connect(client: &redis::Client) -> Result<MultiplexedConnection, QueueError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(limits::REDIS_CONNECT))
        .set_response_timeout(Some(limits::REDIS_ANSWER));
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .map_err(|source| QueueError::from_redis("connect", source))
}

/// Runs a script by its digest, giving the server its text where it lost it.
async fn evaluate(
    connection: &mut MultiplexedConnection,
    script: &'static Script,
    command: &Cmd,
) -> Result<Value, QueueError> {
    let no_script = ErrorKind::Server(ServerErrorKind::NoScript);
    let failed = |source| QueueError::from_redis(script.name, source);
    match command.query_async(connection).await {
        Err(error) if error.kind() == no_script => {
            let _: Value = script
                .load()
                .query_async(connection)
                .await
                .map_err(failed)?;
            command.query_async(connection).await.map_err(failed)
        }
        result => result.map_err(failed),
    }
}
