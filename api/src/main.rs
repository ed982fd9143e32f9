//! The api process.

use anyhow::Context as _;
use common::config::Env;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn main() -> anyhow::Result<()> {
    let mut env = Env::process();
    let config = api::Config::from_env(&mut env)?;
    if std::env::args().any(|argument| argument == "--check-config") {
        print!("{}", env.effective());
        return Ok(());
    }
    common::telemetry::start("api", &config.log);
    common::rights::leave_no_core()?;
    // Before any thread exists: a process's user is per thread in the kernel.
    common::rights::drop_to(config.run_as.as_deref())?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot start")?
        .block_on(serve(config))
}

async fn serve(config: api::Config) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let mut stop = signal(SignalKind::terminate()).context("SIGTERM cannot be heard")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be heard")?;
    let running = api::run(config, shutdown.clone());
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return ended.context("the api ended"),
        _ = stop.recv() => {}
        _ = interrupt.recv() => {}
    }
    shutdown.cancel();
    running.await.context("the api ended")
}
