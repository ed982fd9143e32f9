//! Installed packages as a mount that sandboxes get copies of.
//!
//! It is an overlay over the directory, for the same reason as the root: a plain bind
//! would show the host's path to every tenant.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::mount::{MntFlags, MsFlags, mount as mount_fs, umount2};

use super::{Home, VisitError, Visitor};

/// The overlay, in a layer's mount directory.
const WHOLE: &str = "whole";

/// A directory of packages, mounted for sandboxes. Unmounted when the last copy is
/// gone, and with it the last sandbox that was bound with it. Until then its directory
/// is locked (`flock`, shared): who gets the exclusive lock may remove it.
#[derive(Clone, Debug)]
pub struct Layer(Arc<Mounted>);

#[derive(Debug)]
struct Mounted {
    at: PathBuf,
    visitor: Visitor,
    _lock: File,
}

impl Layer {
    /// Whether anybody has it but the one who asks.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    pub(super) fn at(&self) -> &Path {
        &self.0.at
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.visitor.unmount(std::mem::take(&mut self.at));
    }
}

pub(super) fn mount(
    home: &mut Home,
    directory: &Path,
    visitor: Visitor,
) -> Result<Layer, VisitError> {
    let lock = File::open(directory).map_err(|error| VisitError::Io("open the layer", error))?;
    lock.try_lock_shared()
        .map_err(|error| VisitError::Io("lock the layer", error.into()))?;
    is_still(&lock, directory).map_err(|error| VisitError::Io("find the layer locked", error))?;
    home.layers += 1;
    let at = home.place.join("layers").join(home.layers.to_string());
    if let Err(error) = overlay(&at, directory) {
        unmount(&at.join(WHOLE));
        return Err(error);
    }
    Ok(Layer(Arc::new(Mounted {
        at: at.join(WHOLE),
        visitor,
        _lock: lock,
    })))
}

fn overlay(at: &Path, directory: &Path) -> Result<(), VisitError> {
    let step = |what| move |error| VisitError::Step(what, error);
    let none: Option<&str> = None;
    for name in ["layer", "empty", WHOLE] {
        fs::create_dir_all(at.join(name))
            .map_err(|error| VisitError::Io("make the layer's mount point", error))?;
    }
    mount_fs(
        Some(directory),
        &at.join("layer"),
        none,
        MsFlags::MS_BIND,
        none,
    )
    .map_err(step("bind the layer"))?;
    // Relative names, for mountinfo shows them to every tenant.
    nix::unistd::chdir(at).map_err(step("enter the layer's directory"))?;
    let mounted = mount_fs(
        Some("layer"),
        WHOLE,
        Some("overlay"),
        MsFlags::MS_RDONLY,
        Some("lowerdir=layer:empty"),
    );
    nix::unistd::chdir("/").map_err(step("leave the layer's directory"))?;
    // Its names are seen in no sandbox, and nothing needs it once the overlay stands.
    umount2(&at.join("layer"), MntFlags::MNT_DETACH).map_err(step("unbind the layer"))?;
    mounted.map_err(step("mount the layer's overlay"))
}

/// Takes an overlay away. Mount points are removed one by one, as empty directories:
/// never what is still mounted on one.
pub(super) fn unmount(whole: &Path) {
    let Some(at) = whole.parent() else { return };
    let _not_mounted = umount2(whole, MntFlags::MNT_DETACH);
    for directory in [whole, &at.join("empty"), &at.join("layer"), at] {
        if let Err(error) = fs::remove_dir(directory) {
            tracing::warn!(error = %error, "a layer's mount point is left");
        }
    }
}

/// What was opened may have been removed before it was locked.
fn is_still(opened: &File, path: &Path) -> io::Result<()> {
    let (opened, there) = (opened.metadata()?, fs::metadata(path)?);
    if (opened.dev(), opened.ino()) == (there.dev(), there.ino()) {
        Ok(())
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}
