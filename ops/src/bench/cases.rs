//! What is measured: each case makes one slice whenever it is asked.

use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jail::floors::{self, ForkFloor, LoneSandbox};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::client::{Client, request};
use super::figures::Slice;
use super::kills::{Until, kills};
use super::load::{Caller, closed_loop, micros};
use super::machine::{self, Usage};
use super::network;
use super::packages::{self, Imports};
use super::patchbay::{self, Async, Mcp, PLUS_ONE, Sync};
use super::setting::Setting;

/// A case and how many call at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// A sandbox started for each call.
    Spawn(usize),
    /// One sandbox a slot, a plain interpreter forked for each call.
    ForkFloor(usize),
    /// Our own sandboxes, without HTTP, queue or record.
    Alone(usize),
    Sync(usize),
    Durable(usize),
    AcceptAlone(usize),
    Fdatasync,
    FirstCall(Imports),
    Mcp(usize),
    /// One call each tenth of a second.
    Spaced(Imports),
    /// As many callers of a function with packages.
    Crowd(usize),
    /// A ready sandbox made a version's own, without its first call.
    Bind {
        layer: bool,
    },
    /// Requests of one execution to a named host, or of no execution at all.
    Https {
        proxied: bool,
    },
    /// Time is over for one with so many busy processes.
    Kill(u32, Until),
}

impl Case {
    pub(super) const ALL: &'static [Self] = &[
        Self::ForkFloor(1),
        Self::ForkFloor(2),
        Self::ForkFloor(4),
        Self::Alone(1),
        Self::Alone(4),
        Self::Spawn(1),
        Self::Spawn(2),
        Self::Sync(1),
        Self::Sync(16),
        Self::Sync(64),
        Self::Mcp(1),
        Self::Mcp(16),
        Self::FirstCall(Imports::Nothing),
        Self::FirstCall(Imports::Pandas),
        Self::Spaced(Imports::Nothing),
        Self::Spaced(Imports::Pandas),
        Self::Crowd(16),
        Self::Bind { layer: false },
        Self::Bind { layer: true },
        Self::Https { proxied: false },
        Self::Https { proxied: true },
        Self::Kill(0, Until::Answered),
        Self::Kill(4, Until::Answered),
        Self::Kill(60, Until::Answered),
        Self::Kill(60, Until::Gone),
        Self::Fdatasync,
        Self::AcceptAlone(64),
        Self::Durable(1),
        Self::Durable(64),
    ];

    #[must_use]
    pub(super) fn name(self) -> String {
        match self {
            Self::Spawn(n) => format!("spawn {n}"),
            Self::ForkFloor(n) => format!("fork floor {n}"),
            Self::Alone(n) => format!("sandbox alone {n}"),
            Self::Sync(n) => format!("sync {n}"),
            Self::Durable(n) => format!("durable 202, {n}"),
            Self::AcceptAlone(n) => format!("accept alone, {n}"),
            Self::Fdatasync => "one fdatasync".to_owned(),
            Self::FirstCall(imports) => format!("first call, {}", imports.name()),
            Self::Spaced(imports) => format!("spaced calls, {}", imports.name()),
            Self::Crowd(n) => format!("sync {n}, {}", Imports::Pandas.name()),
            Self::Bind { layer: false } => "bind, no layer".to_owned(),
            Self::Bind { layer: true } => "bind, with a layer".to_owned(),
            Self::Https { proxied: false } => "https, outside".to_owned(),
            Self::Https { proxied: true } => "https, from a sandbox".to_owned(),
            Self::Mcp(n) => format!("mcp {n}"),
            Self::Kill(n, until) => format!("kill {n} spinning, {}", until.name()),
        }
    }
}

/// One slice of `case`, about `span` long, with CPU and faults.
pub(super) async fn measure(
    setting: &Setting,
    case: Case,
    span: Duration,
    round: u64,
) -> Result<Slice> {
    match case {
        Case::Spawn(n) => {
            let callers = (0..n).map(|_| Spawner(setting.host.clone())).collect();
            Ok(closed_loop(callers, span).await?.1)
        }
        Case::ForkFloor(n) => fork_floor(setting, n, span).await,
        Case::Alone(n) => alone(setting, n, span).await,
        Case::Sync(n) => {
            let mut callers = Vec::new();
            for _ in 0..n {
                callers.push(Sync::connect(&setting.target, PLUS_ONE, round).await?);
            }
            system(setting, callers, span).await
        }
        Case::Mcp(n) => {
            let mut callers = Vec::new();
            for _ in 0..n {
                callers.push(Mcp::connect(&setting.target).await?);
            }
            system(setting, callers, span).await
        }
        Case::Durable(n) => durable(setting, n, span).await,
        Case::AcceptAlone(n) => accept_alone(setting, n, span).await,
        Case::Fdatasync => fdatasync(setting, span),
        Case::FirstCall(imports) => packages::first_calls(setting, imports, round).await,
        Case::Spaced(imports) => packages::spaced(setting, imports, span, round).await,
        Case::Crowd(n) => {
            packages::publish(&setting.target).await?;
            let mut callers = Vec::new();
            for _ in 0..n {
                callers.push(Sync::connect(&setting.target, packages::FUNCTION, round).await?);
            }
            system(setting, callers, span).await
        }
        Case::Bind { layer } => packages::binds(setting, layer).await,
        Case::Https { proxied } => network::https(setting, proxied).await,
        Case::Kill(others, until) => kills(setting, others, until).await,
    }
}

struct Spawner(jail::Host);

impl Caller for Spawner {
    async fn call(&mut self, n: u64) -> Result<()> {
        floors::spawn(&self.0, n).await.context("spawn")
    }
}

struct Forker(ForkFloor);

impl Caller for Forker {
    async fn call(&mut self, n: u64) -> Result<()> {
        self.0.call(n).await.context("fork floor")
    }
}

struct Lone(LoneSandbox);

impl Caller for Lone {
    async fn call(&mut self, n: u64) -> Result<()> {
        self.0.call(n).await.context("sandbox alone")
    }
}

async fn fork_floor(setting: &Setting, n: usize, span: Duration) -> Result<Slice> {
    let mut callers = Vec::new();
    for _ in 0..n {
        callers.push(Forker(ForkFloor::start(&setting.host).await?));
    }
    inside("floor", callers, span, |forker| forker.0.pid()).await
}

/// Sandboxes as a worker has them, each with its caller.
async fn alone(setting: &Setting, n: usize, span: Duration) -> Result<Slice> {
    let mut callers = Vec::new();
    for _ in 0..n {
        callers.push(Lone(LoneSandbox::start(&setting.host).await?));
    }
    inside("sandbox", callers, span, |lone| lone.0.pid()).await
}

/// A slice with the CPU and the faults of the processes that `pid` names.
async fn inside<C: Caller>(
    name: &'static str,
    callers: Vec<C>,
    span: Duration,
    pid: impl Fn(&C) -> u32,
) -> Result<Slice> {
    let group = |caller| machine::Group {
        name,
        root: pid(caller),
        scope: machine::Scope::Tree,
    };
    let groups: Vec<machine::Group> = callers.iter().map(group).collect();
    let before = total(&machine::usage(&groups)?);
    let (callers, mut slice) = closed_loop(callers, span).await?;
    let after = total(&machine::usage(&groups)?);
    drop(callers);
    slice.cpu_us = vec![(name, after.cpu_us.saturating_sub(before.cpu_us))];
    slice.faults = Some(after.faults.saturating_sub(before.faults));
    Ok(slice)
}

fn total(usages: &[Usage]) -> Usage {
    let mut sum = Usage::default();
    for usage in usages {
        sum += *usage;
    }
    sum
}

/// A slice with the CPU of each of Patchbay's processes and the sandboxes' faults.
async fn system<C: Caller>(setting: &Setting, callers: Vec<C>, span: Duration) -> Result<Slice> {
    // A first short loop binds as many sandboxes as these callers keep busy.
    let (callers, _) = closed_loop(callers, span / 4).await?;
    let before = machine::usage(&setting.groups)?;
    let (_, mut slice) = closed_loop(callers, span).await?;
    let after = machine::usage(&setting.groups)?;
    spent(setting, &mut slice, &before, &after);
    Ok(slice)
}

/// Adds what each group of processes used in between, and the sandboxes' faults.
fn spent(setting: &Setting, slice: &mut Slice, before: &[Usage], after: &[Usage]) {
    let mut faults = 0;
    for (group, (before, after)) in setting.groups.iter().zip(before.iter().zip(after)) {
        let cpu = after.cpu_us.saturating_sub(before.cpu_us);
        match slice.cpu_us.iter_mut().find(|spent| spent.0 == group.name) {
            Some(spent) => spent.1 += cpu,
            None => slice.cpu_us.push((group.name, cpu)),
        }
        if group.name == "sandbox" {
            faults += after.faults.saturating_sub(before.faults);
        }
    }
    slice.faults = Some(faults);
}

/// Asynchronous calls while sleepers keep every background slot, so that nothing of
/// them runs meanwhile; then waits until all have run.
async fn durable(setting: &Setting, n: usize, span: Duration) -> Result<Slice> {
    let sleepers =
        patchbay::fill_background(&setting.target, span + Duration::from_secs(3)).await?;
    let mut callers = Vec::new();
    for _ in 0..n {
        callers.push(Async::connect(&setting.target).await?);
    }
    let before = machine::usage(&setting.groups)?;
    let (callers, mut slice) = closed_loop(callers, span).await?;
    let after = machine::usage(&setting.groups)?;
    spent(setting, &mut slice, &before, &after);
    slice.faults = None;
    patchbay::cancel(&setting.target, &sleepers).await?;
    for caller in &callers {
        if let Some(id) = &caller.last {
            patchbay::wait_until_final(&setting.target, id).await?;
        }
    }
    Ok(slice)
}

struct Acceptor(Client, String);

impl Caller for Acceptor {
    async fn call(&mut self, n: u64) -> Result<()> {
        let body = format!("{{\"n\":{n},\"padding\":\"{}\"}}", "x".repeat(100));
        let answer = self
            .0
            .send(&request("POST", "/accept", &self.1, &[], &body))
            .await?;
        ensure!(answer.status == 202, "accept alone: {}", answer.status);
        Ok(())
    }
}

async fn accept_alone(setting: &Setting, n: usize, span: Duration) -> Result<Slice> {
    let (mut server, address) = start_accept_server(setting).await?;
    let mut callers = Vec::new();
    for _ in 0..n {
        callers.push(Acceptor(Client::connect(&address).await?, address.clone()));
    }
    let measured = closed_loop(callers, span).await;
    server.kill().await?;
    let client = redis::Client::open(setting.redis_url.expose_secret())?;
    super::accept_alone::forget(&client).await?;
    Ok(measured?.1)
}

async fn start_accept_server(setting: &Setting) -> Result<(Child, String)> {
    let mut server = Command::new(std::env::current_exe()?)
        .arg("accept-alone")
        .env("REDIS_URL", setting.redis_url.expose_secret())
        .env_remove("REDIS_URL_FILE")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = server.stdout.take().context("no output")?;
    let line = BufReader::new(output).lines().next_line().await?;
    Ok((
        server,
        line.context("the server that accepts alone did not start")?,
    ))
}

/// Appends a page and waits until it is on the disk, as PostgreSQL's log does.
fn fdatasync(setting: &Setting, span: Duration) -> Result<Slice> {
    let path = setting.home.join("bench/fdatasync");
    let mut file = std::fs::File::create(&path)?;
    let began = Instant::now();
    let mut slice = Slice::default();
    while began.elapsed() < span {
        let asked = Instant::now();
        file.write_all(&[7; 8_192])?;
        nix::unistd::fdatasync(&file).with_context(|| format!("fd {}", file.as_raw_fd()))?;
        slice.latencies_us.push(micros(asked.elapsed()));
    }
    slice.elapsed = began.elapsed();
    std::fs::remove_file(path)?;
    Ok(slice)
}
