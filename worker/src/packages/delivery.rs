//! Takes the installed files out of a build sandbox, over a socket, and decides about
//! each: what comes is the word of whatever a package made of its installer.
//!
//! **What always holds.** Nothing is written outside the directory: a path is plain and
//! relative, every folder of it is one that was made here, and links are made last, so
//! no write goes through one. No link leads out. Bytes, files and folders are counted
//! before they are written.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

const HEADER: usize = 1 + 2 + 8;
/// The kernel's longest path, less than enough to stand below any directory of ours.
const PATH_BYTES: usize = 1_024;
const BLOCK: u64 = 4_096;
const PIECE: usize = 128 << 10;

/// What a layer may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) bytes: u64,
    pub(super) files: u64,
}

/// What was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) bytes: u64,
    pub(super) files: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    #[error("the packages take more than {0} MiB")]
    Bytes(u64),
    #[error("the packages have more than {0} files")]
    Files(u64),
    #[error("a package has a file that can't be kept: {0}")]
    Path(String),
    #[error("a package has a link that leads out of it: {0}")]
    Link(String),
    #[error("a package has a file of an unknown kind: {0}")]
    Kind(String),
    #[error("the files did not arrive whole")]
    Stream(#[source] io::Error),
    #[error("the files can't be stored")]
    Store(#[source] io::Error),
}

impl DeliveryError {
    /// Whether it says something about the packages, not about us.
    pub(super) const fn is_refusal(&self) -> bool {
        !matches!(self, Self::Stream(_) | Self::Store(_))
    }
}

/// Takes everything until the end mark and answers it. `into` is empty and nobody
/// else's; what is in it after an error is to be removed.
pub(super) fn take(
    stream: &mut (impl Read + Write),
    into: &Path,
    bounds: Bounds,
) -> Result<Taken, DeliveryError> {
    let mut delivery = Delivery {
        into,
        bounds,
        taken: Taken::default(),
        folders: HashSet::new(),
        links: Vec::new(),
        piece: vec![0; PIECE],
    };
    while delivery.take_one(stream)? {}
    for (path, target) in std::mem::take(&mut delivery.links) {
        symlink(target, into.join(path)).map_err(DeliveryError::Store)?;
    }
    stream.write_all(b"K").map_err(DeliveryError::Stream)?;
    Ok(delivery.taken)
}

struct Delivery<'a> {
    into: &'a Path,
    bounds: Bounds,
    taken: Taken,
    folders: HashSet<PathBuf>,
    links: Vec<(PathBuf, PathBuf)>,
    piece: Vec<u8>,
}

/// A file that is announced.
struct Announced {
    mode: u32,
    length: u64,
}

impl Delivery<'_> {
    /// `false` at the end.
    fn take_one(&mut self, stream: &mut impl Read) -> Result<bool, DeliveryError> {
        let mut header = [0; HEADER];
        stream
            .read_exact(&mut header)
            .map_err(DeliveryError::Stream)?;
        let [kind, p0, p1, body @ ..] = header;
        if kind == b'E' {
            return Ok(false);
        }
        let length = u64::from_be_bytes(body);
        let name = text(stream, usize::from(u16::from_be_bytes([p0, p1])))?;
        let path = plain(&name).ok_or_else(|| DeliveryError::Path(name.clone()))?;
        self.count(length)?;
        self.make_folders(&path)?;
        match kind {
            b'F' => {
                let mode = 0o644;
                self.write(stream, &path, &Announced { mode, length })
            }
            b'X' => {
                let mode = 0o755;
                self.write(stream, &path, &Announced { mode, length })
            }
            b'L' => {
                let bounded = usize::try_from(length).unwrap_or(usize::MAX);
                let target = text(stream, bounded)?;
                if !stays_inside(&path, &target) {
                    return Err(DeliveryError::Link(name));
                }
                self.links.push((path, target.into()));
                Ok(())
            }
            _ => Err(DeliveryError::Kind(name)),
        }?;
        Ok(true)
    }

    /// As a disk counts: whole blocks, and one for the name.
    fn count(&mut self, length: u64) -> Result<(), DeliveryError> {
        self.taken.files += 1;
        let blocks = length.div_ceil(BLOCK).max(1);
        self.taken.bytes = blocks
            .checked_mul(BLOCK)
            .and_then(|bytes| bytes.checked_add(self.taken.bytes))
            .filter(|bytes| *bytes <= self.bounds.bytes)
            .ok_or(DeliveryError::Bytes(self.bounds.bytes >> 20))?;
        if self.taken.files > self.bounds.files {
            return Err(DeliveryError::Files(self.bounds.files));
        }
        Ok(())
    }

    fn make_folders(&mut self, path: &Path) -> Result<(), DeliveryError> {
        let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        else {
            return Ok(());
        };
        if self.folders.contains(folder) {
            return Ok(());
        }
        self.make_folders(folder)?;
        self.count(0)?;
        // Not `create_dir_all`: a file of that name is no folder.
        let path = self.into.join(folder);
        fs::create_dir(&path)
            .and_then(|()| open_to_all(&path, 0o755))
            .map_err(DeliveryError::Store)?;
        self.folders.insert(folder.to_owned());
        Ok(())
    }

    fn write(
        &mut self,
        stream: &mut impl Read,
        path: &Path,
        file: &Announced,
    ) -> Result<(), DeliveryError> {
        let mut left = file.length;
        let mode = file.mode;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(self.into.join(path))
            .and_then(|file| {
                open_to_all(&self.into.join(path), mode)?;
                Ok(file)
            })
            .map_err(DeliveryError::Store)?;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE);
            let read = stream
                .read(&mut self.piece[..most])
                .map_err(DeliveryError::Stream)?;
            if read == 0 {
                return Err(DeliveryError::Stream(io::ErrorKind::UnexpectedEof.into()));
            }
            file.write_all(&self.piece[..read])
                .map_err(DeliveryError::Store)?;
            left -= read as u64;
        }
        Ok(())
    }
}

/// Sandboxes read it under other uids, whatever this process' umask is.
pub(super) fn open_to_all(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// A path or a link's target.
fn text(stream: &mut impl Read, length: usize) -> Result<String, DeliveryError> {
    if length > PATH_BYTES {
        return Err(DeliveryError::Path(format!("a name of {length} bytes")));
    }
    let mut bytes = vec![0; length];
    stream
        .read_exact(&mut bytes)
        .map_err(DeliveryError::Stream)?;
    String::from_utf8(bytes).map_err(|error| {
        DeliveryError::Path(String::from_utf8_lossy(error.as_bytes()).into_owned())
    })
}

/// The path, where it names a place below a directory and nothing else.
fn plain(name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    let is_plain = !name.is_empty()
        && !name.contains('\0')
        && path.components().all(|part| matches!(part, Component::Normal(_)))
        // `components` passes over `.` and doubled slashes.
        && path.components().count() == name.split('/').count();
    is_plain.then(|| path.to_owned())
}

/// Whether a link at `path` to `target` leads to a place in the same tree: up no further
/// than to its top, then only down. From further down another link might lead elsewhere.
fn stays_inside(path: &Path, target: &str) -> bool {
    let depth = path.components().count() - 1;
    let parts: Vec<Component<'_>> = Path::new(target).components().collect();
    let is_up = |part: &&Component<'_>| matches!(part, Component::ParentDir);
    let up = parts.iter().take_while(is_up).count();
    let is_down = |part: &Component<'_>| matches!(part, Component::Normal(_));
    up <= depth && up < parts.len() && parts[up..].iter().all(is_down) && !target.contains('\0')
}
