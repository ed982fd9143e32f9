//! CPU time and page faults, read from `/proc` (proc(5)), and how much of the
//! machine others used meanwhile.

use std::collections::HashMap;
use std::fs;

use anyhow::{Context as _, Result};

/// One tick of `/proc/<pid>/stat` in microseconds: `USER_HZ` is 100 on Linux.
const TICK_US: u64 = 10_000;

/// CPU time in microseconds and page faults of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) cpu_us: u64,
    pub(super) faults: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.cpu_us += other.cpu_us;
        self.faults += other.faults;
    }
}

/// A process, and what the children it reaped had used.
#[derive(Clone, Debug)]
struct Process {
    parent: u32,
    own: Usage,
    reaped: Usage,
}

fn parse(stat: &str) -> Option<Process> {
    // The name may hold spaces and brackets; what follows the last bracket doesn't.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    let parent = u32::try_from(number(1)?).ok()?;
    let own = Usage {
        cpu_us: (number(11)? + number(12)?) * TICK_US,
        faults: number(7)?,
    };
    let reaped = Usage {
        cpu_us: (number(13)? + number(14)?) * TICK_US,
        faults: number(8)?,
    };
    Some(Process {
        parent,
        own,
        reaped,
    })
}

/// Every process there is.
fn processes() -> Result<HashMap<u32, Process>> {
    let mut found = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end between the listing and the reading.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        if let Some(process) = parse(&stat) {
            found.insert(pid, process);
        }
    }
    Ok(found)
}

/// Which processes of a tree count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The root alone, without the children it reaped.
    Root,
    /// All below the root, with the children they reaped.
    Below,
    /// The whole tree.
    Tree,
}

/// Processes that are counted together.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) root: u32,
    pub(super) scope: Scope,
}

/// Usage of each group now, in the order given.
pub(super) fn usage(groups: &[Group]) -> Result<Vec<Usage>> {
    let all = processes()?;
    Ok(groups.iter().map(|group| sum(&all, group)).collect())
}

fn sum(all: &HashMap<u32, Process>, group: &Group) -> Usage {
    let mut total = Usage::default();
    for (pid, process) in all {
        let is_root = *pid == group.root;
        let counts = match group.scope {
            Scope::Root => is_root,
            Scope::Below => !is_root && is_below(all, *pid, group.root),
            Scope::Tree => is_root || is_below(all, *pid, group.root),
        };
        if counts {
            total += process.own;
            if group.scope != Scope::Root {
                total += process.reaped;
            }
        }
    }
    total
}

fn is_below(all: &HashMap<u32, Process>, mut pid: u32, root: u32) -> bool {
    while let Some(process) = all.get(&pid) {
        if process.parent == root {
            return true;
        }
        pid = process.parent;
    }
    false
}

/// Memory of these processes, what they share counted in parts (`Pss` in
/// proc_pid_smaps_rollup(5)), in KiB.
pub(super) fn pss_kib(pids: &[u32]) -> Result<u64> {
    let mut sum = 0;
    for pid in pids {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let figure = line.and_then(|line| line.split_whitespace().next());
        sum += figure.context("no Pss")?.parse::<u64>()?;
    }
    Ok(sum)
}

/// CPU time the whole machine spent on anything but idling, in microseconds.
pub(super) fn busy_us() -> Result<u64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let fields: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq steal; the rest is part of user.
    let busy: u64 = fields
        .iter()
        .take(8)
        .enumerate()
        .filter(|(at, _)| !(3..=4).contains(at))
        .map(|(_, ticks)| ticks)
        .sum();
    Ok(busy * TICK_US)
}

/// How many processors there are.
#[must_use]
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_is_read() {
        let stat = "7 (a ) b) S 3 7 7 0 -1 4194560 100 20 0 0 5 6 7 8 20 0 1 0 1 0 0";
        let process = parse(stat).unwrap();
        assert_eq!(process.parent, 3);
        assert_eq!(
            process.own,
            Usage {
                cpu_us: 11 * TICK_US,
                faults: 100
            }
        );
        assert_eq!(
            process.reaped,
            Usage {
                cpu_us: 15 * TICK_US,
                faults: 20
            }
        );
    }

    #[test]
    fn this_process_takes_memory() {
        assert!(pss_kib(&[std::process::id()]).unwrap() > 100);
        assert!(pss_kib(&[0]).is_err());
    }

    #[test]
    fn this_process_is_among_those_counted() {
        let here = Group {
            name: "here",
            root: std::process::id(),
            scope: Scope::Root,
        };
        assert!(usage(&[here]).unwrap()[0].faults > 0);
    }
}
