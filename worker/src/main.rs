//! The worker's process: settings, the host's preparation, signals; the rest is `worker::run`.

use std::process::ExitCode;

use common::config::Env;
use common::telemetry;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use worker::{Checked, Config, Prepared, Stops};

fn main() -> anyhow::Result<ExitCode> {
    let mut env = Env::process();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let is_checked = match arguments[..] {
        [] => false,
        ["--check-config"] => true,
        ["--check-host"] => {
            let checked = Checked::host(&mut env)?;
            print!("{}", checked.text());
            return Ok(ExitCode::from(u8::from(!checked.is_fit())));
        }
        _ => anyhow::bail!("worker [--check-host | --check-config]"),
    };
    let config = Config::from_env(&mut env)?;
    if is_checked {
        print!("{}", env.effective());
        return Ok(ExitCode::SUCCESS);
    }
    telemetry::start("worker", &config.log);
    common::rights::leave_no_core()?;
    let prepared = Prepared::new(config)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve(prepared))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(prepared: Prepared) -> anyhow::Result<()> {
    let stops = Stops::default();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let serving = worker::run(prepared, stops.clone());
    tokio::pin!(serving);
    // The first signal is the soft stop, the second the hard one.
    for stop in [stops.soft, stops.hard, CancellationToken::new()] {
        tokio::select! {
            ended = &mut serving => return Ok(ended?),
            _ = terminate.recv() => stop.cancel(),
            _ = interrupt.recv() => stop.cancel(),
        }
    }
    Ok(serving.await?)
}
