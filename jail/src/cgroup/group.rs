//! One sandbox's group: its limits and its counters.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{GroupError, Parents};

const PERIOD_US: u64 = 100_000;
/// The weight of a process in no group of its own.
pub(super) const PROCESS: u32 = 100;

/// Made with [`Group::make`]; removed by [`Group::remove`] once its last process is gone.
#[derive(Debug)]
pub(crate) struct Group {
    places: Parents,
    usage: File,
    peak: File,
    oom: File,
    pids: File,
    cpu: File,
}

/// Counters of one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) oom_kills: u64,
    pub(crate) pids_refused: u64,
    pub(crate) cpu: Duration,
}

impl Group {
    pub(crate) fn make(parents: &Parents, name: &str) -> Result<Self, GroupError> {
        let places = parents.join(name);
        for directory in places.directories() {
            match fs::create_dir(directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(GroupError::Make(directory.display().to_string(), error));
                }
                _ => {}
            }
        }
        let open = |directory: &Path, file: &str, write: bool| {
            let path = directory.join(file);
            OpenOptions::new()
                .read(true)
                .write(write)
                .open(&path)
                .map_err(|error| GroupError::Read(path.display().to_string(), error))
        };
        let (usage, peak, oom, pids, cpu) = match &places {
            Parents::V1 {
                memory,
                pids,
                cpuacct,
                ..
            } => (
                open(memory, "memory.usage_in_bytes", false)?,
                open(memory, "memory.max_usage_in_bytes", true)?,
                open(memory, "memory.oom_control", false)?,
                open(pids, "pids.events", false)?,
                open(cpuacct, "cpuacct.usage", false)?,
            ),
            Parents::V2(path) => (
                open(path, "memory.current", false)?,
                // Writable, and then reset per reader, from Linux 6.12 on.
                open(path, "memory.peak", true).or_else(|_| open(path, "memory.peak", false))?,
                open(path, "memory.events", false)?,
                open(path, "pids.events", false)?,
                open(path, "cpu.stat", false)?,
            ),
        };
        Ok(Self {
            places,
            usage,
            peak,
            oom,
            pids,
            cpu,
        })
    }

    /// Descriptors through which a process enters: it writes `0` to each.
    pub(crate) fn doors(&self) -> Result<Vec<OwnedFd>, GroupError> {
        let open = |directory: &&Path| {
            let path = directory.join("cgroup.procs");
            OpenOptions::new()
                .write(true)
                .open(&path)
                .map(OwnedFd::from)
                .map_err(|error| GroupError::Read(path.display().to_string(), error))
        };
        self.places.directories().iter().map(open).collect()
    }

    /// Memory, swap included: the sandbox has no more of both than this.
    pub(crate) fn set_memory(&self, bytes: u64) -> Result<(), GroupError> {
        set_memory(&self.places, bytes)
    }

    /// The same where it is less than what is used now: the kernel takes back what files
    /// fill before it returns, which takes a while, so another thread waits for it. Where it
    /// can't have that back, the limit is `instead`.
    pub(crate) async fn lower_memory(&self, bytes: u64, instead: u64) -> Result<(), GroupError> {
        let places = self.places.clone();
        let lowering = move || set_memory(&places, bytes).or_else(|_| set_memory(&places, instead));
        let lowered = tokio::task::spawn_blocking(lowering).await;
        lowered.unwrap_or_else(|error| {
            Err(GroupError::Set(
                "the memory".to_owned(),
                io::Error::other(error),
            ))
        })
    }

    pub(crate) fn set_pids(&self, most: u32) -> Result<(), GroupError> {
        let path = match &self.places {
            Parents::V1 { pids, .. } => pids,
            Parents::V2(path) => path,
        };
        set(path, "pids.max", u64::from(most))
    }

    pub(crate) fn set_cpu(&self, percent: u32, weight: u32) -> Result<(), GroupError> {
        let quota = u64::from(percent.max(1)) * PERIOD_US / 100;
        match &self.places {
            Parents::V1 { cpu, .. } => {
                set(cpu, "cpu.cfs_period_us", PERIOD_US)?;
                set(cpu, "cpu.cfs_quota_us", quota)?;
            }
            Parents::V2(path) => set_text(path, "cpu.max", &format!("{quota} {PERIOD_US}"))?,
        }
        set_weight(&self.places, weight)
    }

    /// No quota: what is being killed should die at full speed.
    pub(crate) fn lift_cpu(&self) {
        let lifted = match &self.places {
            Parents::V1 { cpu, .. } => set_text(cpu, "cpu.cfs_quota_us", "-1"),
            Parents::V2(path) => set_text(path, "cpu.max", "max"),
        };
        if let Err(error) = lifted {
            tracing::debug!(error = %error, "a dying sandbox keeps its quota");
        }
    }

    pub(crate) fn usage(&self) -> u64 {
        number(&self.usage)
    }

    /// Lets the peak start again from the present use, where the kernel can.
    pub(crate) fn reset_peak(&self) {
        // Linux before 6.12 has no such write on version 2; `peak` is then the peak
        // of the sandbox's life, which is never too small.
        let _unsupported = self.peak.write_at(b"0", 0);
    }

    pub(crate) fn peak(&self) -> u64 {
        number(&self.peak)
    }

    /// Page cache, which the kernel gives back by itself.
    pub(crate) fn file_cache(&self) -> u64 {
        let [inactive, active, _] = self.of_files();
        inactive + active
    }

    /// Page cache that no process has mapped.
    pub(crate) fn idle_cache(&self) -> u64 {
        let [inactive, active, mapped] = self.of_files();
        (inactive + active).saturating_sub(mapped)
    }

    fn of_files(&self) -> [u64; 3] {
        let (path, names) = match &self.places {
            Parents::V1 { memory, .. } => (
                memory,
                [
                    "total_inactive_file",
                    "total_active_file",
                    "total_mapped_file",
                ],
            ),
            Parents::V2(path) => (path, ["inactive_file", "active_file", "file_mapped"]),
        };
        let text = fs::read_to_string(path.join("memory.stat")).unwrap_or_default();
        names.map(|name| field(&text, name))
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters {
            oom_kills: self.oom_kills(),
            pids_refused: field(&text(&self.pids), "max"),
            cpu: self.cpu(),
        }
    }

    pub(crate) fn oom_kills(&self) -> u64 {
        field(&text(&self.oom), "oom_kill")
    }

    pub(crate) fn cpu(&self) -> Duration {
        match &self.places {
            Parents::V1 { .. } => Duration::from_nanos(number(&self.cpu)),
            Parents::V2(_) => Duration::from_micros(field(&text(&self.cpu), "usage_usec")),
        }
    }

    pub(crate) const fn places(&self) -> &Parents {
        &self.places
    }

    /// How often the quota held it back; for the self-test.
    pub(crate) fn throttled(&self) -> u64 {
        let (Parents::V1 { cpu: path, .. } | Parents::V2(path)) = &self.places;
        field(
            &fs::read_to_string(path.join("cpu.stat")).unwrap_or_default(),
            "nr_throttled",
        )
    }

    /// Removes the directories. Zombies still count for a moment: tries for a second.
    pub(crate) fn remove(self) -> Result<(), GroupError> {
        remove(&self.places)
    }
}

/// Removes a group whose processes are dead or dying.
pub(super) fn remove(places: &Parents) -> Result<(), GroupError> {
    let until = Instant::now() + Duration::from_secs(1);
    for directory in places.directories() {
        loop {
            match fs::remove_dir(directory) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) if Instant::now() >= until => {
                    return Err(GroupError::Remove(directory.display().to_string(), error));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
    Ok(())
}

/// Its share of the processors beside others': [`PROCESS`] is one process's.
pub(super) fn set_weight(places: &Parents, weight: u32) -> Result<(), GroupError> {
    let weight = u64::from(weight.clamp(1, 10_000));
    match places {
        Parents::V1 { cpu, .. } => {
            let shares = weight * 1_024 / u64::from(PROCESS);
            set(cpu, "cpu.shares", shares.max(2))
        }
        Parents::V2(path) => set(path, "cpu.weight", weight),
    }
}

/// Memory and swap together: no more of both than this.
fn set_memory(places: &Parents, bytes: u64) -> Result<(), GroupError> {
    match places {
        Parents::V1 { memory, .. } => {
            let both = memory.join("memory.memsw.limit_in_bytes");
            if !both.exists() {
                return set(memory, "memory.limit_in_bytes", bytes);
            }
            // The kernel refuses memory above memory and swap: raise that one first.
            if set(memory, "memory.limit_in_bytes", bytes).is_ok() {
                return set(memory, "memory.memsw.limit_in_bytes", bytes);
            }
            set(memory, "memory.memsw.limit_in_bytes", bytes)?;
            set(memory, "memory.limit_in_bytes", bytes)
        }
        Parents::V2(path) => {
            set(path, "memory.max", bytes)?;
            for file in ["memory.swap.max", "memory.zswap.max", "memory.oom.group"] {
                if path.join(file).exists() {
                    set(path, file, 0)?;
                }
            }
            Ok(())
        }
    }
}

fn set(directory: &Path, file: &str, value: u64) -> Result<(), GroupError> {
    set_text(directory, file, &value.to_string())
}

fn set_text(directory: &Path, file: &str, value: &str) -> Result<(), GroupError> {
    let path = directory.join(file);
    fs::write(&path, value)
        .map_err(|error| GroupError::Set(format!("{} to {value}", path.display()), error))
}

/// Reads from the start of an open file; the counters' files make their text anew each time.
fn text(file: &File) -> String {
    let mut buffer = [0_u8; 1_024];
    let read = file.read_at(&mut buffer, 0).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

fn number(file: &File) -> u64 {
    text(file).trim().parse().unwrap_or(0)
}

fn field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| {
            line.strip_prefix(name)?
                .strip_prefix(' ')?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 2 as plain files: the words that are written, and how counters are read.
    #[test]
    fn version_two_is_spoken_in_its_own_words() {
        let top = std::env::temp_dir().join(format!("patchbay-v2-{}", std::process::id()));
        let path = top.join("s0");
        fs::create_dir_all(&path).unwrap();
        for (file, text) in [
            ("memory.current", "1048576\n"),
            ("memory.peak", "2097152\n"),
            (
                "memory.events",
                "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 0\n",
            ),
            ("memory.swap.max", "max\n"),
            ("memory.oom.group", "1\n"),
            (
                "memory.stat",
                "anon 5\ninactive_file 10\nactive_file 20\nfile_mapped 12\n",
            ),
            ("pids.events", "max 7\n"),
            ("cpu.stat", "usage_usec 1500\nuser_usec 1\nnr_throttled 4\n"),
            ("cgroup.procs", ""),
        ] {
            fs::write(path.join(file), text).unwrap();
        }
        set_weight(&Parents::V2(top.clone()), 300).unwrap();
        let of_all = fs::read_to_string(top.join("cpu.weight")).unwrap();
        assert_eq!(of_all, "300");
        let group = Group::make(&Parents::V2(top.clone()), "s0").unwrap();
        group.set_memory(4_096).unwrap();
        group.set_pids(5).unwrap();
        group.set_cpu(20, 100).unwrap();
        for (file, text) in [
            ("memory.max", "4096"),
            ("memory.swap.max", "0"),
            ("memory.oom.group", "0"),
            ("pids.max", "5"),
            ("cpu.max", "20000 100000"),
            ("cpu.weight", "100"),
        ] {
            assert_eq!(fs::read_to_string(path.join(file)).unwrap(), text, "{file}");
        }
        group.lift_cpu();
        assert_eq!(fs::read_to_string(path.join("cpu.max")).unwrap(), "max");
        let counters = group.counters();
        assert_eq!((counters.oom_kills, counters.pids_refused), (2, 7));
        assert_eq!(counters.cpu, Duration::from_micros(1_500));
        assert_eq!((group.usage(), group.peak()), (1 << 20, 2 << 20));
        assert_eq!((group.file_cache(), group.idle_cache()), (30, 18));
        assert_eq!(group.throttled(), 4);
        assert_eq!(group.doors().unwrap().len(), 1);
        fs::remove_dir_all(top).unwrap();
    }
}
