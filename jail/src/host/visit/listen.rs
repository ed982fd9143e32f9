//! A listener of the worker inside a sandbox's network: its only way out.

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;

use nix::sys::socket::{setsockopt, sockopt};

use super::{Home, Namespace, VisitError};
use crate::limits::SANDBOX_BUFFER;

pub(super) fn listen(
    home: &mut Home,
    first: &OwnedFd,
    port: u16,
) -> Result<TcpListener, VisitError> {
    let failed = |error| VisitError::Io("listen inside the sandbox", error);
    home.visit(first, Namespace::Network, || {
        // A socket stays in the namespace it was made in.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        // What waits in a connection is the kernel's memory and in no group; it inherits these.
        let bounded = setsockopt(&listener, sockopt::RcvBuf, &SANDBOX_BUFFER)
            .and_then(|()| setsockopt(&listener, sockopt::SndBuf, &SANDBOX_BUFFER));
        bounded.map_err(|error| VisitError::Step("bound its buffers", error))?;
        Ok(listener)
    })
}
