//! Giving up what root can do and this process need not.
//!
//! The threads that make and bury sandboxes were started before and keep their
//! rights, since capabilities belong to a thread. Everything else here talks to
//! Redis and PostgreSQL and handles what strangers send, and keeps one: to kill a
//! sandbox, whose processes belong to other users.

use caps::{CapSet, Capability, CapsHashSet};

#[derive(Debug, thiserror::Error)]
#[error("capabilities cannot be given up")]
pub struct RightsError(#[source] caps::errors::CapsError);

/// Keeps `CAP_KILL` alone, in this thread and all it starts.
///
/// # Errors
/// Where the kernel refuses.
pub fn give_up() -> Result<(), RightsError> {
    let kept = CapsHashSet::from([Capability::CAP_KILL]);
    for set in [CapSet::Ambient, CapSet::Inheritable] {
        caps::clear(None, set).map_err(RightsError)?;
    }
    for capability in caps::all() {
        if !kept.contains(&capability)
            && caps::has_cap(None, CapSet::Bounding, capability).map_err(RightsError)?
        {
            caps::drop(None, CapSet::Bounding, capability).map_err(RightsError)?;
        }
    }
    caps::set(None, CapSet::Effective, &kept).map_err(RightsError)?;
    caps::set(None, CapSet::Permitted, &kept).map_err(RightsError)
}
