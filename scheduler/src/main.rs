//! The scheduler's process: settings, rights, signals; the rest is `scheduler::run`.

use common::config::Env;
use common::{rights, telemetry};
use scheduler::Config;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn main() -> anyhow::Result<()> {
    let mut env = Env::process();
    let config = Config::from_env(&mut env)?;
    if std::env::args().any(|argument| argument == "--check-config") {
        print!("{}", env.effective());
        return Ok(());
    }
    telemetry::start("scheduler", &config.log);
    rights::leave_no_core()?;
    rights::drop_to(config.run_as.as_deref())?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let serving = scheduler::run(config, shutdown.clone());
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return Ok(ended?),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    shutdown.cancel();
    Ok(serving.await?)
}
