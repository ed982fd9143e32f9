//! Starting an api, and stopping it in order.
//!
//! Stop: no new connections; waits end with a 202; what is open is answered; cancels are
//! recorded; only then the process's row goes, so that until then a recovery
//! waits for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::accept::{Accept, Parts};
use common::admin::{Admin, AdminError, Readiness};
use common::announce::{self, News};
use common::backoff::{Backoff, jittered};
use common::clock::SharedClock;
use common::db::{Database, DbError};
use common::ids::ProcessId;
use common::limits;
use common::membership::{Kind, Member};
use common::metrics::{self, ApiMetrics, MetricsError};
use common::queue::{Links, Standing};
use common::telemetry;
use common::vault::{Vault, VaultError};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::caller::Known;
use crate::caller::password::{Hashing, PasswordError};
use crate::caller::token::{SigningKeyError, Tokens};
use crate::config::Config;
use crate::front::Front;
use crate::hearing::Hearing;
use crate::mcp::Mcp;
use crate::rate_limit::RateLimit;
use crate::routes;
use crate::secrets::Secrets;
use crate::server;
use crate::targets::Targets;

/// Between two looks at what a ready api needs.
const LOOK: Duration = Duration::from_secs(1);
/// How long the last cancels may take to be recorded on shutdown: their events are
/// swept by others after that.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// Why an api could not start, or stopped on its own.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the public listener cannot use {address}")]
    Bind {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error("a listener's address is not known")]
    Address(#[source] std::io::Error),
    #[error("the metrics cannot be registered")]
    Metrics(#[from] MetricsError),
    #[error("the database URL is not usable")]
    Database(#[from] DbError),
    #[error("the Redis URL is not usable")]
    Redis(#[source] redis::RedisError),
    #[error("the vault cannot be used")]
    Vault(#[from] VaultError),
    #[error("access tokens cannot be signed")]
    SigningKey(#[from] SigningKeyError),
    #[error("passwords cannot be hashed")]
    Password(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<PasswordError> for RunError {
    fn from(error: PasswordError) -> Self {
        Self::Password(error.into())
    }
}

/// Runs an api until `shutdown`.
///
/// # Errors
/// Where it can't start.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), RunError> {
    let clock: SharedClock = Arc::new(common::clock::SystemClock);
    bind(config, clock, &shutdown).await?.serve(shutdown).await
}

/// An api whose listeners are bound and that does not answer yet.
#[derive(Debug)]
pub struct Started {
    app: Arc<App>,
    links: Links,
    listener: TcpListener,
    admin: Admin,
    announcements: SecretString,
    readiness: Readiness,
    metrics: ApiMetrics,
    process: ProcessId,
}

/// Binds the listeners and makes everything that needs no answer from elsewhere.
///
/// # Errors
/// Where an address is taken or a setting can't be used.
pub async fn bind(
    config: Config,
    clock: SharedClock,
    shutdown: &CancellationToken,
) -> Result<Started, RunError> {
    let registry = metrics::registry()?;
    let metrics = ApiMetrics::register(&registry)?;
    let readiness = Readiness::default();
    let address = config.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| RunError::Bind { address, source })?;
    let admin = Admin::bind(config.admin_listen, registry, readiness.clone()).await?;
    let client = redis::Client::open(config.redis.url.expose_secret()).map_err(RunError::Redis)?;
    let links = Links::new(client.clone(), config.partition.clone());
    let process = ProcessId::new(clock.as_ref());
    let database = Database::new(&config.database)?;
    let vault = Vault::new(&config.vault, Arc::clone(&clock))?;
    let accept = Accept::new(Parts {
        process,
        links: links.clone(),
        database: database.clone(),
        commits: Database::single(&config.database.url)?,
        vault: vault.clone(),
        plans: config.plans.clone(),
        clock: Arc::clone(&clock),
        metrics: metrics.clone(),
        draining: shutdown.clone(),
    });
    let app = Arc::new(App {
        tokens: Tokens::new(&config.jwt_key, &config.public_url)?,
        clock,
        plans: config.plans,
        database,
        vault,
        accept,
        hashing: Hashing::new()?,
        attempts: RateLimit::new(client, config.partition.prefix),
        known: Known::new(),
        targets: Targets::new(),
        secrets: Secrets::new(),
        hearing: Hearing::new(),
        mcp: Mcp::new(&config.public_url),
        readiness: readiness.clone(),
        tasks: TaskTracker::new(),
    });
    for what in ["postgresql", "queue", "changes", "wakes"] {
        readiness.missing(what, "not asked yet");
    }
    Ok(Started {
        app,
        links,
        listener,
        admin,
        announcements: config.database.url,
        readiness,
        metrics,
        process,
    })
}

impl Started {
    /// Where the public listener is, for a port that was asked for as 0.
    ///
    /// # Errors
    /// Where the socket can't tell.
    pub fn address(&self) -> Result<SocketAddr, RunError> {
        self.listener.local_addr().map_err(RunError::Address)
    }

    /// Where the admin listener is.
    ///
    /// # Errors
    /// Where the socket can't tell.
    pub fn admin_address(&self) -> Result<SocketAddr, RunError> {
        self.admin.address().map_err(RunError::Address)
    }

    /// Answers until `shutdown`, then stops in order.
    ///
    /// # Errors
    /// Where the admin listener breaks.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), RunError> {
        let Self {
            app,
            links,
            listener,
            admin,
            announcements,
            readiness,
            metrics,
            process,
        } = self;
        // What must outlive the last request stops with this.
        let stop = CancellationToken::new();
        let tasks = app.tasks.clone();
        let admin_ended = tasks.spawn(admin.serve(stop.clone()));
        let watched = watch(app.clone(), links.clone(), readiness.clone());
        tasks.spawn(until(stop.clone(), watched));
        let heard = (app.clone(), readiness.clone(), stop.clone());
        tasks.spawn(async move {
            let (app, readiness, stop) = heard;
            let hear = |news| {
                note(&readiness, news);
                app.hear(news);
            };
            announce::listen(&announcements, &stop, hear).await;
        });
        if let Some(member) = join(&app, &links, process, &shutdown).await {
            app.accept.start(&tasks, &stop);
            let (settling, stopped) = (app.clone(), stop.clone());
            let staying = tasks.spawn(async move { member.stay(&settling.accept, stopped).await });
            let (hearing, ready) = (app.clone(), readiness.clone());
            tasks.spawn(until(stop.clone(), async move {
                hearing.accept.hears().await;
                ready.there("wakes");
            }));
            let front = Front::new(routes::router(app.clone()), metrics, app.clock.clone());
            server::serve(listener, front, shutdown).await;
            if tokio::time::timeout(LAST_RECORDS, app.accept.drained())
                .await
                .is_err()
            {
                tracing::warn!("cancels are left to others to record");
            }
            stop.cancel();
            let _ = staying.await;
        }
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        match admin_ended.await {
            Ok(ended) => ended.map_err(RunError::Admin),
            Err(_) => Ok(()),
        }
    }
}

/// Writes the process's row; PostgreSQL may come later than we do.
async fn join(
    app: &Arc<App>,
    links: &Links,
    process: ProcessId,
    shutdown: &CancellationToken,
) -> Option<Member> {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    loop {
        let joined = Member::join(app.database.clone(), links.clone(), process, Kind::Api);
        match joined.await {
            Ok(member) => return Some(member),
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::warn!(error, "the api cannot join yet");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = tokio::time::sleep(backoff.delay()) => {}
        }
    }
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

fn note(readiness: &Readiness, news: News) {
    match news {
        News::Listening => readiness.there("changes"),
        News::Lost => readiness.missing("changes", "announcements are not heard"),
        News::Changed(_) => {}
    }
}

/// Asks again and again whether what requests need is there.
async fn watch(app: Arc<App>, links: Links, readiness: Readiness) {
    loop {
        match app.database.ping().await {
            Ok(()) => readiness.there("postgresql"),
            Err(error) => readiness.missing("postgresql", telemetry::chain(&error)),
        }
        match links.hello().await {
            Err(error) => readiness.missing("queue", telemetry::chain(&error)),
            Ok(hello) => {
                match hello.standing {
                    Standing::Certified(_) => readiness.there("queue"),
                    Standing::Recovering(_) => readiness.missing("queue", "recovering"),
                }
                let skew = (hello.server_ms - app.clock.now().as_millisecond()).unsigned_abs();
                if u128::from(skew) > limits::CLOCK_SKEW.as_millis() {
                    readiness.missing("clock", format!("{skew} ms from that of Redis"));
                } else {
                    readiness.there("clock");
                }
            }
        }
        tokio::time::sleep(jittered(LOOK)).await;
    }
}
