//! What is run in a soak: good, failing and hostile code, each with how it must end.

use std::time::Duration;

use common::execution::ErrorCode;
use common::plan::Plan;

/// How an execution of a kind ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    Well,
    With(ErrorCode),
    /// Somebody cancels it once it runs.
    Cancelled,
}

/// A function, what it is called with, and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) code: &'static str,
    pub(super) input: &'static str,
    pub(super) ends: Ends,
    pub(super) timeout: Duration,
    /// Of each hundred or so.
    share: usize,
}

pub(super) const PLAN: Plan = Plan::Free;
pub(super) const MEMORY_MIB: u32 = 32;
const LONG: Duration = Duration::from_secs(28);
const SHORT: Duration = Duration::from_millis(300);

macro_rules! hostile {
    ($name:literal) => {
        include_str!(concat!("../../../../jail/tests/hostile/", $name, ".py"))
    };
}

/// As often as `share` says, within a time that no good one needs.
const fn kind(name: &'static str, code: &'static str, ends: Ends, share: usize) -> Kind {
    Kind {
        name,
        code,
        input: "{}",
        ends,
        timeout: LONG,
        share,
    }
}

const fn given(input: &'static str, kind: Kind) -> Kind {
    Kind { input, ..kind }
}

const fn late(kind: Kind) -> Kind {
    Kind {
        timeout: SHORT,
        ..kind
    }
}

pub(super) const KINDS: &[Kind] = {
    use Ends::{Cancelled, Well, With};
    &[
        given(
            r#"{"n": 1}"#,
            kind("adds", "def main(n): return n + 1", Well, 68),
        ),
        kind(
            "prints and leaves files",
            "def main():\n    print('printed')\n    for at in ('/tmp/a', '/dev/shm/b'): open(at, 'w').write('left')",
            Well,
            8,
        ),
        kind(
            "raises",
            "def main(): raise ValueError('no good')",
            With(ErrorCode::Exception),
            5,
        ),
        kind(
            "exits",
            "import os\ndef main(): os._exit(3)",
            With(ErrorCode::Exit),
            2,
        ),
        kind(
            "crashes",
            "import os\ndef main(): os.abort()",
            With(ErrorCode::Killed),
            1,
        ),
        late(kind(
            "sleeps past its time",
            "import time\ndef main(): time.sleep(600)",
            With(ErrorCode::Timeout),
            2,
        )),
        late(kind(
            "spins past its time",
            "import os\ndef main():\n    for _ in range(3): os.fork()\n    while True: pass",
            With(ErrorCode::Timeout),
            1,
        )),
        given(
            r#"{"mib": 60, "how": "pages"}"#,
            kind(
                "memory bomb",
                hostile!("exhaustion/memory_bomb"),
                With(ErrorCode::OutOfMemory),
                1,
            ),
        ),
        given(
            r#"{"mib": 60, "how": "files"}"#,
            kind(
                "memory bomb of files",
                hostile!("exhaustion/memory_bomb"),
                With(ErrorCode::OutOfMemory),
                1,
            ),
        ),
        given(
            r#"{"most": 300}"#,
            kind(
                "fork bomb",
                hostile!("exhaustion/fork_bomb"),
                With(ErrorCode::TooManyProcesses),
                2,
            ),
        ),
        given(
            r#"{"leave": true}"#,
            kind("daemon", hostile!("persistence/daemon"), Well, 2),
        ),
        given(
            r#"{"leave": true}"#,
            kind(
                "stubborn files",
                hostile!("persistence/stubborn_files"),
                Well,
                1,
            ),
        ),
        given(
            r#"{"junk": "junk"}"#,
            kind(
                "junk on its channel",
                hostile!("protocol/junk"),
                With(ErrorCode::Killed),
                1,
            ),
        ),
        given(
            r#"{"burn": 600}"#,
            kind(
                "runs on after its answer",
                hostile!("protocol/late_answer"),
                Well,
                1,
            ),
        ),
        // Of letters: zeros become six times as many bytes of JSON, which is another matter.
        kind(
            "output flood",
            "import os\nBLOCK = b'x' * 65536\ndef main():\n    while True: os.write(1, BLOCK)",
            With(ErrorCode::OutputTooLarge),
            1,
        ),
        kind(
            "fills /tmp",
            "def main(): open('/tmp/x', 'wb').write(bytes(20 << 20))",
            With(ErrorCode::DiskFull),
            1,
        ),
        kind(
            "leaves a thread at import",
            "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\ndef main(): return 1",
            Well,
            1,
        ),
        kind(
            "cannot be imported",
            "import nothing_like_it\ndef main(): return 1",
            With(ErrorCode::ImportError),
            1,
        ),
        kind(
            "is cancelled",
            "import time\ndef main(): time.sleep(600)",
            Cancelled,
            1,
        ),
    ]
};

/// Which kind comes at this place: all of them mixed, the same way each time.
pub(super) fn at(place: usize) -> usize {
    let all: usize = KINDS.iter().map(|kind| kind.share).sum();
    // Prime to any sum of shares that it doesn't divide.
    let mut left = place * 61 % all;
    for (index, kind) in KINDS.iter().enumerate() {
        if left < kind.share {
            return index;
        }
        left -= kind.share;
    }
    unreachable!("the shares are counted above")
}

#[test]
fn every_kind_comes_as_often_as_its_share_says() {
    let all: usize = KINDS.iter().map(|kind| kind.share).sum();
    for (index, kind) in KINDS.iter().enumerate() {
        let comes = (0..all).filter(|place| at(*place) == index).count();
        assert_eq!(comes, kind.share, "{}", kind.name);
    }
}
