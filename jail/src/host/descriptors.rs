//! Descriptors of this process: enough for all sandboxes, and what is left for connections
//! out of them, so that no tenant's connections are missing where a sandbox is made.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::limits::{CONNECTIONS, DESCRIPTORS_CONNECTION, DESCRIPTORS_OWN, DESCRIPTORS_SANDBOX};

#[derive(Debug, thiserror::Error)]
pub enum DescriptorsError {
    #[error("cannot raise how many files this process may have open")]
    Raise(#[source] nix::Error),
    #[error("{sandboxes} sandboxes need {need} open files, and this process may have {limit}")]
    Few {
        sandboxes: u32,
        need: u64,
        limit: u64,
    },
}

/// Takes all descriptors it may have, and tells how many connections out of sandboxes they
/// are enough for.
pub(super) fn places(sandboxes: u32) -> Result<usize, DescriptorsError> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(DescriptorsError::Raise)?;
    let need = need(sandboxes);
    // More than it was given may be had by root alone, and not everywhere.
    let raised = hard < need && setrlimit(Resource::RLIMIT_NOFILE, need, need).is_ok();
    if !raised && soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(DescriptorsError::Raise)?;
    }
    left(sandboxes, if raised { need } else { hard })
}

fn need(sandboxes: u32) -> u64 {
    let least = CONNECTIONS as u64 * DESCRIPTORS_CONNECTION;
    DESCRIPTORS_OWN + u64::from(sandboxes) * DESCRIPTORS_SANDBOX + least
}

fn left(sandboxes: u32, limit: u64) -> Result<usize, DescriptorsError> {
    let need = need(sandboxes);
    if limit < need {
        return Err(DescriptorsError::Few {
            sandboxes,
            need,
            limit,
        });
    }
    let left = CONNECTIONS as u64 + (limit - need) / DESCRIPTORS_CONNECTION;
    Ok(usize::try_from(left).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sandboxes_need_is_not_given_to_connections() {
        let enough = need(10);
        assert_eq!(left(10, enough).unwrap(), 64);
        assert_eq!(left(10, enough + 200).unwrap(), 64 + 50);
        assert_eq!(need(11) - enough, DESCRIPTORS_SANDBOX);
        assert!(matches!(
            left(10, enough - 1),
            Err(DescriptorsError::Few { .. })
        ));
    }
}
