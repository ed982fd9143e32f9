//! A listener of the worker inside a sandbox's network: its only way out.

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;

use super::{Home, Namespace, VisitError};

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
        Ok(listener)
    })
}
