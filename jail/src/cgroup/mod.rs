//! Resource groups: made by the worker, entered by nsjail before it starts anything.
//!
//! A worker has one parent group named after its block of uids, `patchbay-u<n>`, in
//! each hierarchy, and one group per sandbox below it. Version 1 and version 2 of the
//! kernel's interface differ in files and words only; [`Group`] hides that.
//!
//! Always: a group is made before its sandbox and removed after it, by the same
//! place's number; the counters are read from outside, so nothing a tenant does
//! changes them; what can't be made is an error that names the controller.

mod find;
mod group;

use std::{fs, io};

pub(crate) use find::{Found, Parents, find};
pub(crate) use group::{Counters, Group};

#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    #[error("cannot read {0}")]
    Read(String, #[source] io::Error),
    #[error("the cgroup controllers {0} are not available to this process")]
    Missing(String),
    #[error("other processes are in {0}: the worker needs a group of its own")]
    Shared(String),
    #[error("cannot make {0}")]
    Make(String, #[source] io::Error),
    #[error("cannot set {0}")]
    Set(String, #[source] io::Error),
    #[error("cannot remove {0}")]
    Remove(String, #[source] io::Error),
}

/// Makes a worker's parent group, ready to hold sandboxes' groups.
pub(crate) fn make_parent(parents: &Parents) -> Result<(), GroupError> {
    for directory in parents.directories() {
        if let Err(error) = fs::create_dir(directory)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(GroupError::Make(directory.display().to_string(), error));
        }
    }
    if let Parents::V2(path) = parents {
        let control = path.join("cgroup.subtree_control");
        fs::write(&control, "+memory +pids +cpu")
            .map_err(|error| GroupError::Set(control.display().to_string(), error))?;
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    group::set_weight(parents, weight_of_all(cores))
}

/// A group's weight is shared out over the processors by what ran on each of late, so that
/// a sandbox that wakes elsewhere has nearly none for some tens of milliseconds. Twice a
/// process's weight for each processor, eight processors' at most, makes up for that.
fn weight_of_all(cores: usize) -> u32 {
    let cores = u32::try_from(cores).unwrap_or(u32::MAX);
    2 * group::PROCESS * cores.min(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_grows_with_the_processors_up_to_eight() {
        let weights = [1, 8, 9, 64].map(weight_of_all);
        assert_eq!(weights, [200, 1_600, 1_600, 1_600]);
    }
}
