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
