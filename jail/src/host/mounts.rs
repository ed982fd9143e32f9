//! What sandboxes see as `/` and `/dev`, mounted where only this worker's keeper sees it.
//!
//! The rootfs may lie under a directory that only root may enter, and nsjail opens
//! what it mounts as the sandbox's uid; so it is brought to a place everybody can
//! reach, in a mount namespace of the calling thread. It goes through an overlay
//! because a plain bind mount would show the host's path to every tenant.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

/// Directories of every Debian that may be hidden from one thread.
const CANDIDATES: [&str; 4] = ["/mnt", "/media", "/srv", "/opt"];
const DEVICES: [(&str, u64, u32); 5] = [
    ("null", 3, 0o666),
    ("zero", 5, 0o666),
    ("full", 7, 0o666),
    // Writing would only stir the host's pool; a read-only mount doesn't refuse it.
    ("random", 8, 0o444),
    ("urandom", 9, 0o444),
];
const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

#[derive(Debug, thiserror::Error)]
pub enum MountError {
    #[error("cannot {0}")]
    Step(&'static str, #[source] nix::Error),
    #[error("cannot make {0}")]
    File(String, #[source] std::io::Error),
    #[error("one of {CANDIDATES:?} must exist and not hold the state directory or the rootfs")]
    NoPlace,
}

/// Gives the calling thread a mount namespace of its own and prepares it.
/// Returns the directory that holds `root` and `dev`.
pub(crate) fn prepare(rootfs: &Path, avoid: &[PathBuf]) -> Result<PathBuf, MountError> {
    let place = CANDIDATES
        .iter()
        .map(Path::new)
        .find(|at| {
            at.is_dir() && !rootfs.starts_with(at) && !avoid.iter().any(|p| p.starts_with(at))
        })
        .ok_or(MountError::NoPlace)?;
    let step = |what| move |error| MountError::Step(what, error);
    unshare(CloneFlags::CLONE_NEWNS).map_err(step("unshare the mount namespace"))?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(step("make the mounts private"))?;
    mount(
        Some("patchbay"),
        place,
        Some("tmpfs"),
        MsFlags::MS_NOSUID,
        Some("mode=755,size=16m"),
    )
    .map_err(step("mount a tmpfs for the sandboxes' root"))?;
    root(place, rootfs)?;
    settings(&place.join("proc"))?;
    devices(&place.join("dev"))?;
    Ok(place.to_owned())
}

fn root(place: &Path, rootfs: &Path) -> Result<(), MountError> {
    let step = |what| move |error| MountError::Step(what, error);
    let none: Option<&str> = None;
    let lower = place.join("lower");
    for directory in [
        "root",
        "lower/root",
        "lower/empty",
        "dev",
        "profiles",
        "layers",
        "proc",
    ] {
        let path = place.join(directory);
        fs::create_dir_all(&path)
            .map_err(|error| MountError::File(path.display().to_string(), error))?;
    }
    mount(
        Some(rootfs),
        &lower.join("root"),
        none,
        MsFlags::MS_BIND,
        none,
    )
    .map_err(step("bind the rootfs"))?;
    // Relative names, for mountinfo shows them to every tenant.
    nix::unistd::chdir(&lower).map_err(step("enter the mounts' directory"))?;
    let mounted = mount(
        Some("root"),
        &place.join("root"),
        Some("overlay"),
        MsFlags::MS_RDONLY,
        Some("lowerdir=root:empty"),
    );
    nix::unistd::chdir("/").map_err(step("leave the mounts' directory"))?;
    mounted.map_err(step(
        "mount the overlay (is the kernel's overlay module there?)",
    ))?;
    umount2(&lower.join("root"), MntFlags::MNT_DETACH).map_err(step("unbind the rootfs"))
}

/// The kernel's settings, of which each net namespace has its own. In a container `/proc/sys` is
/// read-only; no sandbox sees this one.
fn settings(at: &Path) -> Result<(), MountError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let none: Option<&str> = None;
    mount(Some("proc"), at, Some("proc"), flags, none)
        .map_err(|error| MountError::Step("mount the kernel's settings", error))
}

fn devices(at: &Path) -> Result<(), MountError> {
    let step = |what| move |error| MountError::Step(what, error);
    let none: Option<&str> = None;
    mount(
        Some("dev"),
        at,
        Some("tmpfs"),
        MsFlags::MS_NOSUID,
        Some("mode=755,size=64k"),
    )
    .map_err(step("mount a tmpfs for the devices"))?;
    for (name, minor, mode) in DEVICES {
        let path = at.join(name);
        let bits = Mode::from_bits_truncate(mode);
        mknod(&path, SFlag::S_IFCHR, bits, makedev(1, minor)).map_err(step("make a device"))?;
        // mknod's mode went through the umask.
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .map_err(|error| MountError::File(path.display().to_string(), error))?;
    }
    for (name, target) in LINKS {
        let path = at.join(name);
        symlink(target, &path)
            .map_err(|error| MountError::File(path.display().to_string(), error))?;
    }
    let shm = at.join("shm");
    fs::create_dir(&shm).map_err(|error| MountError::File(shm.display().to_string(), error))?;
    mount(
        none,
        at,
        none,
        MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID,
        none,
    )
    .map_err(step("make the devices read-only"))
}
