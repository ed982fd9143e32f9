//! The first words with a new sandbox: gives it the runner, waits until it is ready.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::channel::Capture;
use crate::control::{Control, ControlError};
use crate::frame::Kind;
use crate::host::{BootError, Host, Remains, Started, first_process};
use crate::limits::{BOOT, IMPORT_LOG_BYTES};
use crate::sandbox::{GenericSandbox, ImportedWith, Jail};
use crate::sys;

/// The runner's parts; `loader` is run, the others when it asks for them.
const PARTS: &[(&str, &str)] = &[
    ("arguments", include_str!("runner/arguments.py")),
    ("child", include_str!("runner/child.py")),
    ("describe", include_str!("runner/describe.py")),
    ("encode", include_str!("runner/encode.py")),
    ("exact", include_str!("runner/exact.py")),
    ("environment", include_str!("runner/environment.py")),
    ("failure", include_str!("runner/failure.py")),
    ("forms", include_str!("runner/forms.py")),
    ("frames", include_str!("runner/frames.py")),
    ("hints", include_str!("runner/hints.py")),
    ("house", include_str!("runner/house.py")),
    ("invoke", include_str!("runner/invoke.py")),
    ("json", include_str!("runner/json.py")),
    ("loader", include_str!("runner/loader.py")),
    ("machine", include_str!("runner/machine.py")),
    ("models", include_str!("runner/models.py")),
    ("module", include_str!("runner/module.py")),
    ("native", include_str!("runner/native.py")),
    ("schemas", include_str!("runner/schemas.py")),
    ("template", include_str!("runner/template.py")),
    ("text", include_str!("runner/text.py")),
];
const COMPILED_BYTES: usize = 4 << 20;
const SAID_BYTES: usize = 8 << 10;

/// Buries a sandbox that didn't come up.
struct Unborn {
    host: Host,
    remains: Option<Remains>,
}

impl Drop for Unborn {
    fn drop(&mut self) {
        if let Some(remains) = self.remains.take() {
            self.host.undertaker().bring(remains);
        }
    }
}

pub(crate) async fn greet(host: &Host, started: Started) -> Result<GenericSandbox, BootError> {
    let mut unborn = Unborn {
        host: host.clone(),
        remains: Some(started.remains),
    };
    let socket = BootError::Socket;
    let mut control = Control::new(started.control).map_err(socket)?;
    let mut log = Capture::of(started.log, SAID_BYTES).map_err(socket)?;
    let mut output = Capture::of(started.output, IMPORT_LOG_BYTES).map_err(socket)?;
    let ready = tokio::time::timeout(BOOT, exchange(host, &mut control)).await;
    let compiled = match ready {
        Ok(Ok(compiled)) => compiled,
        Ok(Err(error)) => {
            log.take_rest(IMPORT_LOG_BYTES as u64);
            output.take_rest(IMPORT_LOG_BYTES as u64);
            return Err(BootError::Died {
                said: said(log, output),
                source: std::io::Error::other(error),
            });
        }
        Err(_) => {
            log.take_rest(IMPORT_LOG_BYTES as u64);
            output.take_rest(IMPORT_LOG_BYTES as u64);
            return Err(BootError::Slow(said(log, output)));
        }
    };
    if !compiled.is_empty() {
        // Another one may have been first; both are the same.
        let _first_wins = host.compiled().set(compiled);
    }
    let nsjail = unborn.remains.as_ref().ok_or(BootError::Ended)?.nsjail.id();
    let first: OwnedFd = first_process(nsjail).map_err(|source| BootError::Died {
        said: String::new(),
        source,
    })?;
    forget_connections(host, &first).await?;
    let watch = first.try_clone().and_then(sys::watch).map_err(socket)?;
    let kill = first.try_clone().map_err(socket)?;
    // From here on nothing fails and nothing is waited for.
    let mut remains = unborn.remains.take().ok_or(BootError::Ended)?;
    remains.first = Some(first);
    let boot_cpu = remains.group.cpu();
    Ok(GenericSandbox::new(Jail {
        host: host.clone(),
        control,
        log,
        output: Some(output),
        first: watch,
        killer: Arc::new(kill),
        remains: Some(remains),
        layer: None,
        imported_with: ImportedWith::default(),
        network: None,
        way: None,
        boot_cpu,
    }))
}

async fn forget_connections(host: &Host, first: &OwnedFd) -> Result<(), BootError> {
    let profile = host.profile();
    // Where a test has it share the host's network, that is left alone.
    if !profile.forget_connections || !profile.own_net {
        return Ok(());
    }
    let first = first.try_clone().map_err(BootError::Socket)?;
    Ok(host.visitor().forget(first).await?)
}

/// The compiled runner, where the sandbox had to compile it.
async fn exchange(host: &Host, control: &mut Control) -> Result<Vec<u8>, ControlError> {
    match host.compiled().get() {
        Some(compiled) => control.send(Kind::Boot, 1, compiled, &[]).await?,
        None => {
            let source = serde_json::to_vec(PARTS).map_err(std::io::Error::from)?;
            control.send(Kind::Boot, 0, &source, &[]).await?;
        }
    }
    let (header, body) = control.receive(COMPILED_BYTES).await?;
    if header.kind != Kind::Ready {
        return Err(crate::frame::FrameError::Kind(header.kind as u8).into());
    }
    Ok(body)
}

fn said(log: Capture, output: Capture) -> String {
    format!(
        "{} {}",
        log.into_text().0.trim(),
        output.into_text().0.trim()
    )
}
