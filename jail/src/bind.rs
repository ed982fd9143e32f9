//! Makes a generic sandbox a version's own: limits, scratch space, code, import.
//!
//! Limits come first, so that an import is bounded as well. What the template uses
//! once it has imported is then added to the plan's memory: a large library doesn't
//! eat the caller's.

mod answer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use self::answer::Answer;

use crate::channel;
use crate::control::ControlError;
use crate::egress;
use crate::frame::Kind;
use crate::host::{Furniture, Scratch};
use crate::limits::{BASE_BYTES, BASE_PIDS, BOUND_BYTES, IMPORT_LOG_BYTES, Limits, TEMPLATE_BYTES};
use crate::outcome::{Described, Description, Failure, FailureCode, Verdict};
use crate::sandbox::{Bound, Code, GenericSandbox, ImportedWith, Jail, Sandbox, SandboxError};
use crate::settle::Next;
use crate::usage::FileCache;

#[derive(Clone, Copy)]
enum Purpose {
    Serve = 0,
    Describe = 1,
}

#[derive(Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "walls that exist once each; tests take one away at a time"
)]
struct Settings {
    second_uid: bool,
    drop_capabilities: bool,
    hide_template: bool,
    bound_signals: bool,
    bound_core: bool,
    own_stdin: bool,
    all_children: bool,
    reseed: bool,
    sweep: bool,
    native: bool,
}

#[derive(Serialize)]
struct Order<'a> {
    code: &'a Code,
    /// Packages are at `/layer`.
    layer: bool,
    /// Address of the proxy, where the version names hosts.
    proxy: Option<&'a str>,
    environment: BTreeMap<&'a str, &'a str>,
    watched: &'a [String],
    settings: Settings,
}

impl GenericSandbox {
    /// Imports the version and makes the sandbox its own, for good.
    ///
    /// # Errors
    /// Only where the sandbox failed us before the user's code ran.
    pub async fn bind(
        self,
        code: &Code,
        limits: &Limits,
        within: Duration,
    ) -> Result<Bound, SandboxError> {
        let mut jail = self.jail;
        let answer = import(&mut jail, code, limits, Purpose::Serve, within).await?;
        let log = printed(&mut jail, answer.is_err());
        let single_use = match answer {
            Ok(Answer::Imported { single_use, .. }) => single_use,
            Ok(Answer::Failed { failure, .. }) | Err(failure) => {
                let sandbox = Err(failure);
                return Ok(Bound { sandbox, log });
            }
            Ok(Answer::Syntax { syntax }) => {
                let text = format!("{} line {}: {}", syntax.file, syntax.line, syntax.message);
                let sandbox = Err(Failure::new(FailureCode::ImportError, text));
                return Ok(Bound { sandbox, log });
            }
        };
        if let Some(why) = single_use {
            tracing::debug!(?why, "a version gets a sandbox for each execution");
        }
        if jail.way.is_none() {
            open_way(&mut jail).await?;
        }
        let group = &jail.remains()?.group;
        // Files that were read and are not in use make room as soon as somebody wants it: counted
        // in, they would be the execution's to fill with something else.
        let usage = group.usage();
        let room = BASE_BYTES + limits.memory_bytes;
        let memory_limit = usage.saturating_sub(group.idle_cache()) + room;
        let is_bounded = jail.host.profile().bound_memory;
        if is_bounded && memory_limit < usage {
            group.lower_memory(memory_limit, usage + room).await?;
        } else if is_bounded {
            group.set_memory(memory_limit)?;
        }
        let file_cache = FileCache::of(group);
        let mut sandbox = Sandbox {
            jail,
            next: Next::Spent,
            single_use: single_use.is_some(),
            limits: *limits,
            memory_limit,
            file_cache,
            rested: Duration::ZERO,
            has_run: false,
            cancelled: Arc::new(AtomicBool::new(false)),
        };
        let sandbox = match sandbox.fork_ahead().await {
            Ok(()) => Ok(sandbox),
            // Its answer was the last it did: that is the module's doing, and would be again.
            Err(SandboxError::Control(_)) => Err(Failure::new(
                FailureCode::ImportError,
                "the module ended its process once it was imported",
            )),
            Err(error) => return Err(error),
        };
        Ok(Bound { sandbox, log })
    }

    /// Imports the version once and tells what it is; uses the sandbox up.
    ///
    /// # Errors
    /// Only where the sandbox failed us before the user's code ran.
    pub async fn describe(
        self,
        code: &Code,
        limits: &Limits,
        within: Duration,
    ) -> Result<Description, SandboxError> {
        let mut jail = self.jail;
        let answer = import(&mut jail, code, limits, Purpose::Describe, within).await?;
        let log = printed(&mut jail, answer.is_err());
        // Where it can't tell, it may have read each of them.
        let read = match &answer {
            Ok(Answer::Imported { read, .. } | Answer::Failed { read, .. }) => read.clone(),
            Ok(Answer::Syntax { .. }) => Some(Vec::new()),
            Err(_) => None,
        };
        let ImportedWith { watched, .. } = &jail.imported_with;
        let read = match read {
            Some(read) => watched
                .iter()
                .filter(|name| read.contains(name))
                .cloned()
                .collect(),
            None => watched.clone(),
        };
        let verdict = match answer {
            Ok(Answer::Imported {
                entry,
                single_use,
                doc,
                input_schema,
                output_schema,
                ..
            }) => Verdict::Described(Described {
                entry,
                input_schema,
                output_schema,
                doc,
                single_use,
            }),
            Ok(Answer::Syntax { syntax }) => Verdict::Syntax(syntax),
            Ok(Answer::Failed { failure, .. }) | Err(failure) => Verdict::Import(failure),
        };
        Ok(Description { verdict, log, read })
    }
}

impl Sandbox {
    /// Has the template fork the child that waits for the next request.
    pub(crate) async fn fork_ahead(&mut self) -> Result<(), SandboxError> {
        let refuse = self.jail.host.profile().refuse_descriptors;
        let (near, far) = channel::make(refuse).map_err(SandboxError::Channel)?;
        self.jail
            .control
            .send(Kind::Next, 0, &[], &far.borrow())
            .await?;
        self.next = Next::Waiting(near);
        self.rested = self.cpu();
        Ok(())
    }
}

/// The outer error is ours, the inner one the user's.
async fn import(
    jail: &mut Jail,
    code: &Code,
    limits: &Limits,
    purpose: Purpose,
    within: Duration,
) -> Result<Result<Answer, Failure>, SandboxError> {
    check_names(code)?;
    set_limits(jail, limits).await?;
    if jail.host.profile().egress.first {
        open_way(jail).await?;
    }
    let proxy = format!("http://127.0.0.1:{}", egress::PORT);
    let profile = jail.host.profile();
    let order = Order {
        code,
        layer: jail.layer.is_some(),
        proxy: jail.network.is_some().then_some(&*proxy),
        environment: jail.imported_with.environment.values().collect(),
        watched: &jail.imported_with.watched,
        settings: Settings {
            second_uid: profile.second_uid,
            drop_capabilities: profile.drop_capabilities,
            hide_template: profile.hide_template,
            bound_signals: profile.bound_signals,
            bound_core: profile.bound_core,
            own_stdin: profile.own_stdin,
            all_children: profile.all_children,
            reseed: profile.reseed,
            sweep: profile.sweep,
            // The native loop has every wall built in.
            native: profile.native && profile.sweep && profile.drop_capabilities,
        },
    };
    let body = serde_json::to_vec(&order).map_err(|error| SandboxError::Channel(error.into()))?;
    let mask = jail.imported_with.environment.mask();
    if let Some(output) = &mut jail.output {
        output.cover(&mask);
    }
    let before = jail.remains()?.group.counters();
    jail.control
        .send(Kind::Bind, purpose as u64, &body, &[])
        .await?;
    let heard = timeout(within, hear(jail)).await;
    let after = jail.remains()?.group.counters();
    let failed = |message: String| Ok(Err(Failure::new(FailureCode::ImportError, message)));
    match heard {
        Err(_) => {
            jail.kill();
            failed(format!(
                "the import took longer than {} ms",
                within.as_millis()
            ))
        }
        Ok(_) if after.oom_kills > before.oom_kills => failed(format!(
            "the import needs more than {} MiB of memory",
            TEMPLATE_BYTES >> 20
        )),
        Ok(Err(ControlError::Closed | ControlError::Io(_))) => {
            failed("the module ended its process while it was imported".to_owned())
        }
        // The import can write to the socket; that concerns this version only.
        Ok(Err(ControlError::Frame(error))) => {
            failed(format!("the import disturbed its sandbox: {error}"))
        }
        Ok(Ok(body)) => match serde_json::from_slice(&body) {
            Ok(answer) => Ok(Ok(Answer::masked(answer, &mask))),
            Err(error) => failed(format!("the import disturbed its sandbox: {error}")),
        },
    }
}

/// Its listener is there before any code of the version, which could take the port.
async fn open_way(jail: &mut Jail) -> Result<(), SandboxError> {
    let Some(network) = jail.network.clone() else {
        return Ok(());
    };
    let first = jail.killer.try_clone().map_err(SandboxError::Channel)?;
    let listener = jail.host.visitor().listen(first, egress::PORT).await?;
    jail.way = Some(jail.host.egress()?.open(listener, network)?);
    Ok(())
}

/// The template's answer, taking in what it prints meanwhile.
async fn hear(jail: &mut Jail) -> Result<Vec<u8>, ControlError> {
    loop {
        tokio::select! {
            biased;
            answer = jail.control.receive(BOUND_BYTES) => {
                let (header, body) = answer?;
                return match header.kind {
                    Kind::Bound => Ok(body),
                    other => Err(crate::frame::FrameError::Kind(other as u8).into()),
                };
            }
            filled = fill(&mut jail.output) => filled?,
            filled = jail.log.fill(), if jail.log.is_open() => filled?,
            dead = jail.first.readable() => {
                drop(dead);
                return Err(ControlError::Closed);
            }
        }
    }
}

async fn fill(output: &mut Option<channel::Capture>) -> std::io::Result<()> {
    match output {
        Some(output) if output.is_open() => output.fill().await,
        _ => std::future::pending().await,
    }
}

async fn set_limits(jail: &Jail, limits: &Limits) -> Result<(), SandboxError> {
    let profile = jail.host.profile();
    let remains = jail.remains()?;
    if profile.bound_memory {
        remains.group.set_memory(TEMPLATE_BYTES + BASE_BYTES)?;
    }
    if profile.bound_pids {
        remains
            .group
            .set_pids(limits.pids.saturating_add(BASE_PIDS))?;
    }
    remains
        .group
        .set_cpu(limits.cpu_percent, limits.cpu_weight)?;
    let scratch = profile.bound_scratch.then_some(Scratch {
        bytes: limits.scratch_bytes,
        inodes: limits.scratch_inodes,
    });
    let layer = jail.layer.clone();
    let furniture = Furniture { scratch, layer };
    let first = jail.killer.try_clone().map_err(SandboxError::Channel)?;
    jail.host.visitor().furnish(first, furniture).await?;
    Ok(())
}

/// From here on nobody listens: what the template prints later is refused by the pipe.
/// Who was ended in the middle may have been in the middle of a value.
fn printed(jail: &mut Jail, was_cut: bool) -> String {
    let Some(mut output) = jail.output.take() else {
        return String::new();
    };
    output.take_rest(IMPORT_LOG_BYTES as u64);
    if was_cut {
        output.cut();
    }
    output.into_text().0
}

/// Names become paths below `/code`: plain relative ones only.
fn check_names(code: &Code) -> Result<(), SandboxError> {
    let plain = |name: &String| {
        !name.is_empty()
            && name.len() <= 200
            && name.split('/').all(|part| {
                !part.is_empty()
                    && !part.starts_with('.')
                    && part
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
            })
    };
    match code.files.keys().find(|name| !plain(name)) {
        Some(name) => Err(SandboxError::FileName(name.clone())),
        None if !code.files.contains_key(&code.entry) => {
            Err(SandboxError::FileName(code.entry.clone()))
        }
        None => Ok(()),
    }
}
