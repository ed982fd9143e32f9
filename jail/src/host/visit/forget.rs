//! Connections that are closed are gone at once, for nothing of an execution may meet the next.
//!
//! The kernel remembers the side that closed first for a minute (TIME_WAIT), with both ports,
//! whoever owned it: the next execution would read them in `/proc/self/net/tcp`, and find the
//! port taken. It does so against segments that come late, which a `lo` has none of.

use std::fs;
use std::os::fd::OwnedFd;

use super::{Home, Namespace, VisitError};

/// How many the kernel may remember; of the net namespace of whoever opens it.
const REMEMBERED: &str = "proc/sys/net/ipv4/tcp_max_tw_buckets";

pub(super) fn forget(home: &mut Home, first: &OwnedFd) -> Result<(), VisitError> {
    let setting = home.place.join(REMEMBERED);
    home.visit(first, Namespace::Network, || {
        fs::write(&setting, "0")
            .map_err(|error| VisitError::Io("have closed connections forgotten", error))
    })
}
