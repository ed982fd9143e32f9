//! What an execution is said to have used is what it used: processor time of all its
//! processes, the largest use of memory without the files that it only read, and time.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jail::{Code, Done, FailureCode, Limits, Sandbox};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::utsname::uname;
use serde_json::{Value, json};

use super::Stand;
use crate::traces::at_rest;
use crate::world::{IMPORT, LIMITS, World, failure, output, run};

const ROOMY: Limits = Limits {
    memory_bytes: 256 << 20,
    pids: 32,
    scratch_bytes: 128 << 20,
    ..LIMITS
};
const MIB: u64 = 1 << 20;

#[tokio::test]
async fn an_orphan_in_a_session_of_its_own_is_counted() {
    let mut stand = Stand::new(program!("accounting"), ROOMY).await;
    let done = stand.passes(json!({"how": "orphan", "seconds": 0.2})).await;
    // It says itself when it has used this much; starting it costs a little.
    let used = Duration::from_millis(200)..Duration::from_millis(300);
    assert!(used.contains(&done.cpu), "{:?}", done.cpu);
    stand.stays_well(json!({"how": "none"})).await;
}

/// They go on for as long as it takes to kill them, which is nobody's: neither this
/// execution's, which has ended, nor the next one's.
#[tokio::test]
async fn what_burns_on_is_counted_until_the_answer_and_never_for_the_next_call() {
    let mut stand = Stand::new(program!("accounting"), ROOMY).await;
    for _ in 0..3 {
        let spinner = json!({"how": "spinner", "count": 4, "seconds": 0.1});
        let done = stand.passes(spinner).await;
        assert!(done.cpu >= Duration::from_millis(100), "{:?}", done.cpu);
        let begun = Instant::now();
        let next = stand.passes(json!({"how": "sleep", "seconds": 0.3})).await;
        assert!(next.cpu < Duration::from_millis(100), "{:?}", next.cpu);
        assert!(next.duration >= Duration::from_millis(300));
        assert!(next.duration <= begun.elapsed());
    }
    stand.stays_well(json!({"how": "none"})).await;
}

/// Version 2 of groups counts each call's own peak from Linux 6.12 on. Before, the largest of
/// the sandbox's life is told: never too little.
fn peaks_are_each_call_s() -> bool {
    let version_2 = PathBuf::from("/sys/fs/cgroup/cgroup.controllers").exists();
    let release = uname().unwrap().release().to_str().unwrap().to_owned();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let kernel = (numbers.next().unwrap(), numbers.next().unwrap());
    !version_2 || kernel >= (6, 12)
}

/// Whether a call is told to have used so much, as exactly as this kernel can tell.
fn is_peak(told: u64, mib: &std::ops::Range<u64>) -> bool {
    mib.contains(&told) || (!peaks_are_each_call_s() && told >= mib.start)
}

async fn peak(stand: &mut Stand, input: Value) -> u64 {
    let done = stand.passes(input).await;
    done.memory_peak / MIB
}

#[tokio::test]
async fn memory_of_all_processes_and_files_counts_once_at_its_highest() {
    let mut stand = Stand::new(program!("accounting"), ROOMY).await;
    for (input, mib) in [
        (json!({"how": "freed", "mib": 60}), 60..66),
        (json!({"how": "/tmp", "mib": 60}), 60..66),
        (json!({"how": "/dev/shm", "mib": 60}), 60..66),
        // Each has some pages of its own besides.
        (json!({"how": "children", "mib": 20, "count": 5}), 100..110),
        // The highest is this call's, not an earlier one's.
        (json!({"how": "none"}), 0..4),
    ] {
        let told = peak(&mut stand, input.clone()).await;
        assert!(is_peak(told, &mib), "{input}: {told} MiB");
    }
    stand.stays_well(json!({"how": "none"})).await;
}

/// A package with large files that nobody has read of late.
struct Cold(PathBuf);

impl Cold {
    const MIB: u64 = 96;

    fn new(test: &str) -> Self {
        let name = format!("pbt-cold-{}-{test}", std::process::id());
        let site = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&site.0).unwrap();
        for part in 0..4 {
            let path = site.0.join(format!("data{part}.bin"));
            fs::write(
                &path,
                vec![part; usize::try_from(Self::MIB * MIB / 4).unwrap()],
            )
            .unwrap();
            let file = File::open(&path).unwrap();
            file.sync_all().unwrap();
            posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
        }
        site
    }

    async fn bound(&self, world: &World, limits: &Limits, source: &str) -> Sandbox {
        let layer = world.layer(&self.0).await.unwrap();
        let generic = world.boot().await.unwrap().with(Some(layer));
        let bound = generic.bind(&Code::single(source), limits, IMPORT).await;
        bound.unwrap().sandbox.unwrap()
    }
}

impl Drop for Cold {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn call(sandbox: &mut Sandbox, input: Value) -> Done {
    run(sandbox, &input.to_string()).await
}

#[tokio::test]
async fn files_that_are_only_read_are_nobody_s_memory() {
    let (world, _) = at_rest().await;
    let cold = Cold::new("read");
    let mut sandbox = cold.bound(&world, &ROOMY, program!("accounting")).await;
    let done = call(&mut sandbox, json!({"how": "layer"})).await;
    assert_eq!(output(&done), Cold::MIB.to_string());
    assert!(done.memory_peak < 8 * MIB, "{} bytes", done.memory_peak);
    // What is cached by now belongs to no later call either, nor hides what that one uses.
    let done = call(&mut sandbox, json!({"how": "freed", "mib": 60})).await;
    let told = done.memory_peak / MIB;
    assert!((60..66).contains(&told), "{told} MiB");
}

/// Where cached files make room for it, as much growth can't be seen in the sum of both.
#[tokio::test]
async fn memory_that_took_the_place_of_cached_files_counts() {
    let (world, _) = at_rest().await;
    let cold = Cold::new("place");
    let limits = Limits {
        memory_bytes: 64 << 20,
        ..ROOMY
    };
    let mut sandbox = cold.bound(&world, &limits, program!("accounting")).await;
    let input = json!({"how": "layer and memory", "mib": 56});
    for _ in 0..2 {
        let done = call(&mut sandbox, input.clone()).await;
        output(&done);
        let told = done.memory_peak / MIB;
        assert!((54..66).contains(&told), "{told} MiB");
    }
}

/// Else an import that reads its package's files would have that much more than its plan.
#[tokio::test]
async fn files_that_the_import_read_add_nothing_to_the_plan_s_memory() {
    let (world, _) = at_rest().await;
    let cold = Cold::new("import");
    let limits = Limits {
        memory_bytes: 32 << 20,
        ..ROOMY
    };
    let source = format!("{}\nread_layer()\n", program!("accounting"));
    let mut sandbox = cold.bound(&world, &limits, &source).await;
    let done = call(&mut sandbox, json!({"how": "freed", "mib": 30})).await;
    output(&done);
    let told = done.memory_peak / MIB;
    assert!(is_peak(told, &(29..36)), "{told} MiB");
    let done = call(&mut sandbox, json!({"how": "freed", "mib": 40})).await;
    assert_eq!(failure(&done).code, FailureCode::OutOfMemory);
}
