//! How a sandbox's network forgets, for nothing of an execution may meet the next.
//!
//! The kernel remembers the side that closed first for a minute (TIME_WAIT), with both ports,
//! whoever owned it: the next execution would read them in `/proc/self/net/tcp`, and find the
//! port taken. It does so against segments that come late, which a `lo` has none of.
//!
//! Where many connections are begun and not accepted, it hands out cookies, by which a
//! connection is made from its data alone, though the listener was cleared meanwhile.

use std::fs;
use std::os::fd::OwnedFd;

use super::{Home, Namespace, VisitError};

/// Of the net namespace of whoever opens them.
const REMEMBERED: &str = "proc/sys/net/ipv4/tcp_max_tw_buckets";
const COOKIES: &str = "proc/sys/net/ipv4/tcp_syncookies";

pub(super) fn forget(home: &mut Home, first: &OwnedFd) -> Result<(), VisitError> {
    let settings = [REMEMBERED, COOKIES].map(|name| home.place.join(name));
    home.visit(first, Namespace::Network, || {
        settings.iter().try_for_each(|setting| {
            fs::write(setting, "0")
                .map_err(|error| VisitError::Io("have connections forgotten", error))
        })
    })
}
