//! What each thread may do beyond what its user id allows, found by taking away.
//!
//! A thread of a host begins with [`gain_nothing`] and [`keep`]: no new privileges ever,
//! and the capabilities on its list and no others, in the bounding set too, so that no
//! program it starts has more. A list holds what fails without it, and nothing else:
//! `tests/it/rights.rs` takes each entry away and meets the failure, and all other tests
//! run with these lists.
//!
//! The lists are short because root owns the user namespaces of its sandboxes, and there
//! has every capability (user_namespaces(7)): signals to what runs in a sandbox, its
//! mounts and its network need none of the host's.

mod calls;

use caps::{CapSet, Capability, CapsHashSet};

use crate::facts;
pub use calls::CallsError;

#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    #[error("capabilities cannot be given up")]
    Capabilities(#[from] caps::errors::CapsError),
    #[error("new privileges cannot be refused")]
    NewPrivileges(#[source] nix::Error),
    #[error(transparent)]
    Calls(#[from] CallsError),
}

/// What a thread gives up that only uses sandboxes: every capability, new privileges, and
/// the calls that [`calls`] lists. So do all threads that it starts from then on; those of
/// a prepared [`crate::Host`] have lists of their own.
///
/// # Errors
/// Where the kernel refuses.
pub fn give_up_rights() -> Result<(), RightsError> {
    keep_only(&[])
}

/// Both, for a thread that makes nothing of a sandbox.
pub(crate) fn keep_only(kept: &[Capability]) -> Result<(), RightsError> {
    gain_nothing()?;
    keep(kept)?;
    Ok(calls::refuse()?)
}

/// Capabilities of a host's threads. [`Rights::default`] are the only ones that ever hold
/// for tenants' code; tests take one entry away.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "testing"),
    expect(unreachable_pub, reason = "public to tests")
)]
pub struct Rights {
    /// The keeper while it makes its mounts.
    pub mounts: Vec<Capability>,
    /// The keeper from then on, and every nsjail.
    pub nsjail: Vec<Capability>,
    /// The visitor.
    pub visits: Vec<Capability>,
    /// The undertaker.
    pub burials: Vec<Capability>,
}

impl Default for Rights {
    fn default() -> Self {
        use Capability as C;
        Self {
            mounts: vec![
                C::CAP_SYS_ADMIN,
                C::CAP_MKNOD,
                C::CAP_SETPCAP,
                C::CAP_SETUID,
                C::CAP_SETGID,
            ],
            nsjail: vec![C::CAP_SETUID, C::CAP_SETGID],
            visits: vec![C::CAP_SYS_ADMIN, C::CAP_SYS_CHROOT],
            burials: vec![C::CAP_DAC_OVERRIDE],
        }
    }
}

impl Rights {
    /// Those of a worker on this host. Where only a privileged process may make user
    /// namespaces, nsjail has to be one.
    pub(crate) fn here() -> Self {
        let mut rights = Self::default();
        if facts::privileged_namespaces().is_some() {
            rights.nsjail.push(Capability::CAP_SYS_ADMIN);
        }
        rights
    }
}

/// No program that this thread or one of its own starts has more than it.
pub(crate) fn gain_nothing() -> Result<(), RightsError> {
    nix::sys::prctl::set_no_new_privs().map_err(RightsError::NewPrivileges)
}

/// Keeps these alone, in this thread and all it starts; to be widened never again.
pub(crate) fn keep(kept: &[Capability]) -> Result<(), RightsError> {
    let kept: CapsHashSet = kept.iter().copied().collect();
    for set in [CapSet::Ambient, CapSet::Inheritable] {
        caps::clear(None, set)?;
    }
    for capability in caps::all() {
        // A list may name what this host's root hasn't got; what needs it then says so.
        if !kept.contains(&capability) && caps::has_cap(None, CapSet::Bounding, capability)? {
            caps::drop(None, CapSet::Bounding, capability)?;
        }
    }
    let had = caps::read(None, CapSet::Permitted)?;
    let kept = kept.intersection(&had).copied().collect();
    caps::set(None, CapSet::Effective, &kept)?;
    Ok(caps::set(None, CapSet::Permitted, &kept)?)
}
