//! The mounts of a sandbox that is bound to a version.

use std::os::fd::OwnedFd;

use nix::mount::{MsFlags, mount};

use super::{Furniture, Home, Namespace, Scratch, VisitError};
use crate::sys;

pub(super) fn furnish(
    home: &mut Home,
    first: &OwnedFd,
    furniture: &Furniture,
) -> Result<(), VisitError> {
    // A copy of the mount, in no namespace yet; for this sandbox alone.
    let layer = match &furniture.layer {
        None => None,
        Some(layer) => Some(
            sys::detached_read_only(layer.at())
                .map_err(|error| VisitError::Io("copy the layer's mount", error))?,
        ),
    };
    home.visit(first, Namespace::Mounts, || {
        if let Some(scratch) = furniture.scratch {
            resize(scratch)?;
        }
        let Some(layer) = layer else { return Ok(()) };
        sys::attach(&layer, c"/layer").map_err(|error| VisitError::Io("put the layer in", error))
    })
}

fn resize(scratch: Scratch) -> Result<(), VisitError> {
    let Scratch { bytes, inodes } = scratch;
    let options = format!("size={bytes},nr_inodes={inodes},mode=1777");
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let none: Option<&str> = None;
    mount(none, "/tmp", Some("tmpfs"), flags, Some(options.as_str()))
        .map_err(|error| VisitError::Step("resize /tmp", error))
}
