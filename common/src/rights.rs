//! What a process gives up at its start: root, and images of its memory.
//!
//! Only the worker keeps root; api and scheduler refuse to serve with it.

use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, User, setgroups, setresgid, setresuid};

#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    #[error("this service does not run as root; set PATCHBAY_RUN_AS to a user of its own")]
    Root,
    #[error("the user {0} named by PATCHBAY_RUN_AS does not exist")]
    Unknown(String),
    #[error("the user {0} named by PATCHBAY_RUN_AS is root itself")]
    RootAgain(String),
    #[error("{step} failed")]
    Step {
        step: &'static str,
        #[source]
        source: nix::Error,
    },
}

/// Becomes `user` for good where the process is root, and stays who it is where it isn't.
/// Either way no program it could start gains a right.
///
/// Called before any thread exists: the ids of a process are per thread in the kernel.
///
/// # Errors
/// Where the process is root and can't become a user that isn't.
pub fn drop_to(user: Option<&str>) -> Result<(), RightsError> {
    if !Uid::effective().is_root() {
        return gain_nothing();
    }
    let name = user.ok_or(RightsError::Root)?;
    let found = User::from_name(name)
        .map_err(|source| RightsError::Step {
            step: "looking up the user",
            source,
        })?
        .ok_or_else(|| RightsError::Unknown(name.to_owned()))?;
    if found.uid.is_root() {
        return Err(RightsError::RootAgain(name.to_owned()));
    }
    become_user(found.uid, found.gid)
}

/// A crash leaves no image of the memory, which holds keys and secrets. One byte, not none:
/// that alone keeps the kernel from handing it to the program of a core pattern too
/// (core(5)). The hard limit stays, for sandboxes set their own.
///
/// # Errors
/// Where the kernel refuses.
pub fn leave_no_core() -> Result<(), RightsError> {
    let step = |source| RightsError::Step {
        step: "forbidding core dumps",
        source,
    };
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE).map_err(step)?;
    setrlimit(Resource::RLIMIT_CORE, hard.min(1), hard).map_err(step)
}

fn become_user(uid: Uid, gid: Gid) -> Result<(), RightsError> {
    let step = |step| move |source| RightsError::Step { step, source };
    // The kernel forgets it with the change of ids; a supervisor counts on it.
    let dies_with_parent =
        prctl::get_pdeathsig().map_err(step("asking for the parent's signal"))?;
    setgroups(&[gid]).map_err(step("dropping groups"))?;
    setresgid(gid, gid, gid).map_err(step("changing the group"))?;
    // From here on the kernel has cleared every capability (capabilities(7)).
    setresuid(uid, uid, uid).map_err(step("changing the user"))?;
    prctl::set_pdeathsig(dies_with_parent).map_err(step("keeping the parent's signal"))?;
    gain_nothing()
}

fn gain_nothing() -> Result<(), RightsError> {
    prctl::set_no_new_privs().map_err(|source| RightsError::Step {
        step: "forbidding new privileges",
        source,
    })
}
