//! Pre-warmed nsjail sandboxes: bytes in, outcome out.
//!
//! ```text
//! Host::prepare ─► boot ─► GenericSandbox ─bind(code, limits)─► Sandbox ─run(input)─► Done
//!  mounts, uids,   nsjail + an          the version is            a child forked
//!  cgroups         interpreter          imported once             for it alone
//! ```
//!
//! This crate knows nothing of accounts, queues or databases. What always holds:
//! user code runs inside nsjail or not at all; a sandbox serves one version of one
//! tenant; each execution is a process of its own, and nothing it left meets the
//! next one; every limit is enforced from outside.
//!
//! **Against whom.** The code of a version is hostile, its import and its packages too, and
//! so is every byte that comes out of a sandbox. It reaches no file, process or descriptor
//! of the host, no other sandbox, no host it wasn't given, and no more of anything than its
//! [`Limits`]. Those that depend on the host are met at a worker's start
//! ([`Host::self_test`]); each is taken away by a test that then sees the attack succeed (`tests/it/hostile`, `tests/it/network`).
//!
//! **What the worker risks.** Only the threads that make and change sandboxes have
//! capabilities, each the few on its list; who uses a sandbox gives up all of them and the
//! wide side of the kernel besides ([`give_up_rights`]). What comes in is a frame of bounded
//! length, judged beside counters that nothing inside can change. No descriptor is accepted.
//!
//! **Not against** bugs of the kernel, which all sandboxes share, nor side channels between
//! them. Executions of one version are forked from one import, and share what it holds: its
//! memory, its random state, the layout of its addresses, its first clock. What code is given
//! it may tell in another form than [`mask`] looks for, and to the hosts it may reach.
//! `SECURITY.md` says the same of the whole platform.

#[cfg(feature = "floors")]
pub mod floors;
pub mod limits;
pub mod mask;

mod bind;
mod boot;
mod cgroup;
mod channel;
mod control;
mod egress;
mod environment;
mod exact;
mod execute;
mod facts;
mod frame;
#[cfg(test)]
mod fuzz;
mod host;
mod judge;
mod live;
mod look;
mod outcome;
mod pool;
mod profile;
mod rights;
mod sandbox;
mod seccomp;
mod selftest;
mod settle;
mod sys;
mod text;
mod uids;
mod usage;

pub use cgroup::GroupError;
pub use control::ControlError;
#[cfg(feature = "testing")]
pub use egress::EgressWalls;
pub use egress::{EgressConfig, EgressError, HostName, NamedHost, Network, PORT, Traffic};
pub use environment::Environment;
pub use facts::Fact;
pub use frame::FrameError;
pub use host::{
    BootError, DescriptorsError, Host, HostConfig, HostError, Layer, MountError, VisitError,
};
pub use limits::Limits;
pub use live::{Piece, Stream, Tap};
pub use mask::{Mask, MaskStream};
pub use outcome::{
    Described, Description, Done, Entry, Failure, FailureCode, SingleUse, SyntaxFailure, Verdict,
};
pub use pool::Pool;
#[cfg(feature = "testing")]
pub use profile::Profile;
#[cfg(feature = "testing")]
pub use rights::Rights;
pub use rights::{CallsError, RightsError, give_up_rights};
pub use sandbox::{Bound, Code, Context, GenericSandbox, Killer, Request, Sandbox, SandboxError};
pub use selftest::{Report, SelfTestError, Wall};
pub use uids::UidError;
