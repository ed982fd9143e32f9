//! Layers on this host's disk: one directory for each lock, with a note of its size.
//!
//! ```text
//! <digest>/        a Python site directory; locked (shared) while it is mounted
//! <digest>.size    bytes it takes; written first, removed last
//! .new-<unique>/   being made, locked; becomes <digest>/ by a rename
//! .gone-<unique>/  being removed
//! lock             held while names are given or taken away
//! ```
//!
//! Several workers of a host may share it. A layer never changes; the time of its
//! directory says when it was last used.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use common::packages::LockDigest;
use uuid::Uuid;

use super::delivery::open_to_all;

/// Of the disk, what layers leave free.
const LEFT_FREE: u64 = 512 << 20;

#[derive(Debug, thiserror::Error)]
#[error("cannot {step} in {place}")]
pub struct StoreError {
    step: &'static str,
    place: PathBuf,
    #[source]
    source: io::Error,
}

#[derive(Clone, Debug)]
pub(super) struct Store {
    directory: PathBuf,
    /// Bytes of all layers, past which the longest unused go.
    most: u64,
}

/// A layer that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// What is left after room was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Collected {
    pub(super) bytes: u64,
    /// Within the bound; else the rest is mounted.
    pub(super) fits: bool,
}

/// A directory that is to become a layer; removed when dropped before.
#[derive(Debug)]
pub(super) struct New {
    path: PathBuf,
    _lock: File,
}

impl New {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for New {
    fn drop(&mut self) {
        // Not there any more where it became a layer.
        let _renamed = fs::remove_dir_all(&self.path);
    }
}

impl Store {
    /// Removes what was left half made or half removed.
    pub(super) fn open(directory: PathBuf, most: u64) -> Result<Self, StoreError> {
        let store = Self { directory, most };
        let failed = store.failed("make the directory of layers");
        fs::create_dir_all(&store.directory).map_err(failed)?;
        for name in store.names()? {
            if name.starts_with('.') {
                let path = store.directory.join(name);
                if let Some(_lock) = lock_alone(&path) {
                    let _again_next_time = fs::remove_dir_all(&path);
                }
            }
        }
        Ok(store)
    }

    pub(super) fn find(&self, digest: LockDigest) -> Option<Found> {
        let bytes = fs::read_to_string(self.size_note(digest)).ok()?;
        let found = Found {
            path: self.directory.join(digest.to_string()),
            bytes: bytes.trim().parse().ok()?,
        };
        found.path.is_dir().then_some(found)
    }

    /// Notes when a layer is used.
    pub(super) fn touch(&self, digest: LockDigest, at: SystemTime) {
        let directory = File::open(self.directory.join(digest.to_string()));
        let _removed_meanwhile = directory.and_then(|file| file.set_modified(at));
    }

    /// Bytes a new layer may take, whatever a plan says.
    pub(super) fn room(&self) -> Result<u64, StoreError> {
        let told = nix::sys::statvfs::statvfs(&self.directory);
        let told = told.map_err(|error| self.failed("look at the disk")(error.into()))?;
        let free = told.blocks_available().saturating_mul(told.fragment_size());
        Ok(free.saturating_sub(LEFT_FREE))
    }

    pub(super) fn begin(&self) -> Result<New, StoreError> {
        let failed = self.failed("begin a layer");
        let path = self.directory.join(format!(".new-{}", Uuid::now_v7()));
        fs::create_dir(&path)
            .and_then(|()| open_to_all(&path, 0o755))
            .map_err(&failed)?;
        let lock = File::open(&path).map_err(&failed)?;
        lock.try_lock().map_err(|error| failed(error.into()))?;
        Ok(New { path, _lock: lock })
    }

    /// Makes it the layer of a lock. Where another process was first, theirs stays.
    pub(super) fn end(
        &self,
        new: &New,
        digest: LockDigest,
        bytes: u64,
    ) -> Result<Found, StoreError> {
        let failed = self.failed("end a layer");
        // All of it is on disk before its name is.
        let file = File::open(&new.path).map_err(&failed)?;
        nix::unistd::syncfs(&file).map_err(|error| failed(error.into()))?;
        let _alone = self.lock()?;
        let note = self.directory.join(format!(".new-{}", Uuid::now_v7()));
        fs::write(&note, bytes.to_string()).map_err(&failed)?;
        fs::rename(&note, self.size_note(digest)).map_err(&failed)?;
        let path = self.directory.join(digest.to_string());
        match fs::rename(&new.path, &path) {
            Err(_) if path.is_dir() => {}
            renamed => renamed.map_err(&failed)?,
        }
        File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(failed)?;
        Ok(Found { path, bytes })
    }

    /// Removes the longest unused layers until the rest fits; what is
    /// mounted stays, however much it is.
    pub(super) fn collect(&self) -> Result<Collected, StoreError> {
        let _alone = self.lock()?;
        let mut layers = Vec::new();
        for name in self.names()? {
            let path = self.directory.join(&name);
            let note = self.directory.join(format!("{name}.size"));
            let bytes = fs::read_to_string(&note).ok();
            let bytes = bytes.and_then(|text| text.trim().parse::<u64>().ok());
            let used = fs::metadata(&path).and_then(|there| there.modified());
            if let (Some(bytes), Ok(used)) = (bytes, used) {
                layers.push((used, bytes, path, note));
            }
        }
        layers.sort();
        let mut total: u64 = layers.iter().map(|(_, bytes, ..)| bytes).sum();
        for (_, bytes, path, note) in layers {
            if total <= self.most {
                break;
            }
            let Some(_lock) = lock_alone(&path) else {
                continue;
            };
            let gone = self.directory.join(format!(".gone-{}", Uuid::now_v7()));
            fs::rename(&path, &gone).map_err(self.failed("remove a layer"))?;
            fs::remove_file(note).map_err(self.failed("remove a layer's note"))?;
            fs::remove_dir_all(gone).map_err(self.failed("remove a layer's files"))?;
            total -= bytes;
        }
        Ok(Collected {
            bytes: total,
            fits: total <= self.most,
        })
    }

    /// One process at a time gives names and takes them away.
    fn lock(&self) -> Result<File, StoreError> {
        let failed = self.failed("lock the layers");
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.directory.join("lock"))
            .map_err(&failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        let failed = self.failed("list layers");
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(&failed)? {
            let name = entry.map_err(&failed)?.file_name();
            names.extend(name.into_string().ok());
        }
        Ok(names)
    }

    fn size_note(&self, digest: LockDigest) -> PathBuf {
        self.directory.join(format!("{digest}.size"))
    }

    fn failed(&self, step: &'static str) -> impl Fn(io::Error) -> StoreError {
        let place = self.directory.clone();
        move |source| StoreError {
            step,
            place: place.clone(),
            source,
        }
    }
}

/// The lock that says nobody has it mounted, or is making it. What was opened may have
/// been removed before it was locked, and another be there instead.
fn lock_alone(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.try_lock().ok()?;
    let (locked, there) = (file.metadata().ok()?, fs::metadata(path).ok()?);
    ((locked.dev(), locked.ino()) == (there.dev(), there.ino())).then_some(file)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::packages::Lock;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Self {
            let name = format!("pbt-store-{}-{test}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }

        fn open(&self, most: u64) -> Store {
            Store::open(self.0.clone(), most).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn digest(name: &str) -> LockDigest {
        Lock::of(format!("{name}==1")).digest
    }

    fn add(store: &Store, name: &str, bytes: u64) {
        let new = store.begin().unwrap();
        fs::write(new.path().join("a.py"), name).unwrap();
        store.end(&new, digest(name), bytes).unwrap();
    }

    #[test]
    fn a_layer_is_there_once_it_is_whole() {
        let folder = Folder::new("whole");
        let store = folder.open(100);
        assert_eq!(store.find(digest("a")), None);
        drop(store.begin().unwrap());
        add(&store, "a", 7);
        add(&store, "a", 7);
        let found = folder.open(100).find(digest("a")).unwrap();
        assert_eq!(found.bytes, 7);
        assert_eq!(fs::read(found.path.join("a.py")).unwrap(), b"a");
        let names = store.names().unwrap();
        assert_eq!(names.len(), 3, "nothing half made is left: {names:?}");
    }

    #[test]
    fn what_a_dead_process_left_is_removed_and_what_a_live_one_makes_is_not() {
        let folder = Folder::new("left");
        let store = folder.open(100);
        let making = store.begin().unwrap();
        fs::create_dir(folder.0.join(".new-dead")).unwrap();
        fs::create_dir(folder.0.join(".gone-dead")).unwrap();
        folder.open(100);
        let names = store.names().unwrap();
        assert_eq!(names.len(), 1, "{names:?}");
        assert!(making.path().is_dir());
    }

    #[test]
    fn the_longest_unused_goes_and_what_is_in_use_stays() {
        let folder = Folder::new("collect");
        let store = folder.open(20);
        for (age, name) in ["a", "b", "c"].into_iter().enumerate() {
            add(&store, name, 10);
            let file = File::open(store.find(digest(name)).unwrap().path).unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(age as u64 + 1);
            file.set_modified(at).unwrap();
        }
        let used = File::open(store.find(digest("a")).unwrap().path).unwrap();
        used.try_lock_shared().unwrap();
        let fits = Collected {
            bytes: 20,
            fits: true,
        };
        assert_eq!(store.collect().unwrap(), fits);
        assert!(store.find(digest("a")).is_some(), "it is in use");
        assert!(
            store.find(digest("b")).is_none(),
            "it was unused for longest"
        );
        assert!(store.find(digest("c")).is_some());
        drop(used);
        store.touch(
            digest("a"),
            SystemTime::UNIX_EPOCH + Duration::from_secs(99),
        );
        add(&store, "d", 10);
        assert_eq!(store.collect().unwrap(), fits);
        assert!(store.find(digest("a")).is_some(), "it was touched");
        assert!(store.find(digest("c")).is_none());
        let mounted: Vec<File> = ["a", "d"]
            .map(|name| File::open(store.find(digest(name)).unwrap().path).unwrap())
            .into_iter()
            .inspect(|file| file.try_lock_shared().unwrap())
            .collect();
        add(&store, "e", 30);
        let left = store.collect().unwrap();
        assert_eq!((left.bytes, left.fits), (20, true), "the new one went");
        let smaller = folder.open(10).collect().unwrap();
        assert!(!smaller.fits, "all is mounted");
        drop(mounted);
    }
}
