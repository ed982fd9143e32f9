//! Programs that misbehave, one trick each (`tests/hostile`): what they meet, that the
//! next call of the same and of another tenant is well, and, with one wall taken away,
//! that the trick works, so that each test is known to bite.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::Duration;

use jail::{Code, Done, FailureCode, Limits, Profile, Sandbox};
use serde_json::{Value, json};

use crate::world::{IMPORT, LIMITS, World, failure, host, output, request, run, sandbox, weakened};

macro_rules! hostile {
    ($name:literal) => {
        include_str!(concat!("../hostile/", $name, ".py"))
    };
}

/// Two tenants on one host: the hostile one and one that only wants its answer.
struct Two {
    hostile: Sandbox,
    source: &'static str,
    limits: Limits,
    other: Sandbox,
    /// Last: it waits for the sandboxes to be gone.
    world: World,
}

impl Two {
    async fn on(world: World, source: &'static str, limits: Limits) -> Self {
        let other = sandbox(&world, "def main(n): return n + 1").await;
        let hostile = bind(&world, source, limits).await;
        Self {
            hostile,
            source,
            limits,
            other,
            world,
        }
    }

    async fn behind_all_walls(source: &'static str) -> Self {
        Self::on(host(), source, LIMITS).await
    }

    async fn without(source: &'static str, weaken: impl FnOnce(&mut Profile)) -> Self {
        Self::on(weakened(weaken), source, LIMITS).await
    }

    /// Runs the trick, in a new sandbox where the last trick cost the old one.
    async fn tries(&mut self, input: &Value) -> Done {
        if !self.hostile.is_reusable() {
            self.hostile = bind(&self.world, self.source, self.limits).await;
        }
        let input = input.to_string();
        let mut asked = request(&input);
        asked.timeout = Duration::from_secs(60);
        self.hostile.run(asked).await.unwrap()
    }

    async fn gets(&mut self, input: Value) -> Value {
        let done = self.tries(&input).await;
        serde_json::from_str(&output(&done)).unwrap()
    }

    async fn fails(&mut self, input: Value, code: FailureCode) {
        let done = self.tries(&input).await;
        assert_eq!(failure(&done).code, code, "{input}: {:?}", failure(&done));
    }

    /// The other tenant notices nothing.
    async fn other_is_well(&mut self) {
        let done = run(&mut self.other, r#"{"n": 1}"#).await;
        assert_eq!(output(&done), "2");
        assert!(done.reusable);
    }
}

async fn bind(world: &World, source: &str, limits: Limits) -> Sandbox {
    let generic = world.boot().await.unwrap();
    let bound = generic
        .bind(&Code::single(source), &limits, IMPORT)
        .await
        .unwrap();
    bound.sandbox.unwrap()
}

#[tokio::test]
async fn a_fork_bomb_meets_the_plan_s_processes() {
    let mut two = Two::behind_all_walls(hostile!("fork_bomb")).await;
    for _ in 0..2 {
        two.fails(json!({"most": 300}), FailureCode::TooManyProcesses)
            .await;
        two.other_is_well().await;
    }
    assert_eq!(two.gets(json!({"most": 3})).await, 3);

    let mut open = Two::without(hostile!("fork_bomb"), |p| p.bound_pids = false).await;
    assert_eq!(open.gets(json!({"most": 60})).await, 60);
}

#[tokio::test]
async fn a_memory_bomb_kills_in_its_own_group_alone() {
    let mut two = Two::behind_all_walls(hostile!("memory_bomb")).await;
    for (how, mib) in [("pages", 100), ("children", 100), ("files", 63)] {
        let limits = Limits {
            memory_bytes: 32 << 20,
            ..LIMITS
        };
        two.limits = limits;
        two.hostile = bind(&two.world, two.source, limits).await;
        two.fails(json!({"mib": mib, "how": how}), FailureCode::OutOfMemory)
            .await;
        two.other_is_well().await;
        assert_eq!(two.gets(json!({"mib": 1, "how": how})).await, 1);
    }

    let mut open = Two::without(hostile!("memory_bomb"), |p| p.bound_memory = false).await;
    assert_eq!(open.gets(json!({"mib": 200, "how": "pages"})).await, 200);
}

#[tokio::test]
async fn filling_the_scratch_space_fills_one_s_own() {
    let limits = Limits {
        scratch_bytes: 2 << 20,
        scratch_inodes: 100,
        ..LIMITS
    };
    let mut two = Two::on(host(), hostile!("tmpfs_fill"), limits).await;
    for how in ["bytes", "files"] {
        two.fails(json!({"how": how}), FailureCode::DiskFull).await;
        assert_eq!(two.gets(json!({"how": "list"})).await, json!([]));
        two.other_is_well().await;
    }

    let mut open = Two::without(hostile!("tmpfs_fill"), |p| p.bound_scratch = false).await;
    assert_eq!(open.gets(json!({"how": "bytes"})).await, Value::Null);
    assert_eq!(open.gets(json!({"how": "files"})).await, Value::Null);
}

#[tokio::test]
async fn nothing_but_the_scratch_places_can_be_written() {
    let nothing =
        json!({"written": ["/dev/shm", "/tmp"], "remounted": [], "unmounted": [], "devices": []});
    let mut two = Two::behind_all_walls(hostile!("write_everywhere")).await;
    assert_eq!(two.gets(json!({})).await, nothing);
    two.other_is_well().await;

    let mut open = Two::without(hostile!("write_everywhere"), |p| p.code_read_only = false).await;
    assert_eq!(
        open.gets(json!({})).await["written"],
        json!(["/code", "/dev/shm", "/tmp"])
    );
}

#[tokio::test]
async fn the_previous_input_is_nowhere_to_be_found() {
    let mut two = Two::behind_all_walls(hostile!("read_previous")).await;
    for _ in 0..2 {
        two.gets(json!({"leave": "planted-word"})).await;
        assert!(two.hostile.is_reusable());
        assert_eq!(two.gets(json!({})).await, json!([]));
        two.other_is_well().await;
    }

    let mut open = Two::without(hostile!("read_previous"), |p| p.sweep = false).await;
    open.gets(json!({"leave": "planted-word"})).await;
    let found = open.gets(json!({})).await;
    assert_eq!(found, json!(["/tmp/left", "/dev/shm/left", "process"]));
}

#[tokio::test]
async fn the_template_can_not_be_looked_into() {
    let mut two = Two::behind_all_walls(hostile!("template_proc")).await;
    assert_eq!(two.gets(json!({})).await, json!([]));
    two.other_is_well().await;

    let mut open = Two::without(hostile!("template_proc"), |p| {
        p.second_uid = false;
        p.hide_template = false;
        p.drop_capabilities = false;
        p.allow.push("ptrace");
    })
    .await;
    let reached = open.tries(&json!({})).await;
    let reached = output(&reached);
    for name in ["environ", "maps", "mem", "ptrace"] {
        assert!(reached.contains(name), "{reached}");
    }
}

#[tokio::test]
async fn hiding_proc_entries_is_a_wall_of_its_own() {
    let mut open = Two::without(hostile!("template_proc"), |p| p.proc_options = "subset=pid").await;
    assert_eq!(open.gets(json!({})).await, json!(["cmdline", "status"]));
}

#[tokio::test]
async fn what_the_template_passes_on_can_not_be_changed() {
    let mut two = Two::behind_all_walls(hostile!("template_limits")).await;
    for _ in 0..2 {
        assert_eq!(two.gets(json!({})).await, json!([]));
    }
    two.other_is_well().await;

    let mut open = Two::without(hostile!("template_limits"), |p| p.second_uid = false).await;
    assert_eq!(open.gets(json!({})).await, json!(["prlimit"]));
    let mut open = Two::without(hostile!("template_limits"), |p| {
        p.second_uid = false;
        p.drop_capabilities = false;
    })
    .await;
    let changed = open.gets(json!({})).await;
    assert_eq!(changed, json!(["prlimit", "nice", "affinity", "policy"]));
}

#[tokio::test]
async fn no_signal_reaches_the_template() {
    let mut two = Two::behind_all_walls(hostile!("template_signals")).await;
    for _ in 0..3 {
        // SIGCONT may be sent within a session; pid 1 is not stopped.
        assert_eq!(two.gets(json!({})).await, json!([18]));
        assert!(two.hostile.is_reusable());
    }
    two.other_is_well().await;

    let mut open = Two::without(hostile!("template_signals"), |p| p.second_uid = false).await;
    assert!(open.gets(json!({})).await.as_array().unwrap().len() > 50);
}

#[tokio::test]
async fn no_namespace_can_be_made_or_entered() {
    let mut two = Two::behind_all_walls(hostile!("unshare")).await;
    let refused = json!({"unshare": "EPERM", "clone": "EPERM", "clone3": "ENOSYS", "setns": "EPERM", "chroot": "EPERM"});
    assert_eq!(two.gets(json!({})).await, refused);
    two.other_is_well().await;

    let mut open = Two::without(hostile!("unshare"), |p| p.seccomp = false).await;
    let met = open.gets(json!({})).await;
    assert_eq!(
        (&met["unshare"], &met["clone"]),
        (&json!("done"), &json!("done"))
    );
}

#[tokio::test]
async fn tracing_and_the_wide_side_of_the_kernel_are_refused() {
    let mut two = Two::behind_all_walls(hostile!("ptrace")).await;
    let met = two.gets(json!({})).await;
    for (name, word) in met.as_object().unwrap() {
        assert_eq!(word, "EPERM", "{name}");
    }
    two.other_is_well().await;

    let mut open = Two::without(hostile!("ptrace"), |p| p.allow.push("ptrace")).await;
    assert_eq!(open.gets(json!({})).await["ptrace"], "done");
}

#[tokio::test]
async fn there_is_nobody_on_the_network() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let name = format!("patchbay-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let input = json!({"port": port, "abstract": name});
    let alone = json!({"interfaces": ["lo"], "host": "ECONNREFUSED", "abstract": "ECONNREFUSED", "outside": "ENETUNREACH",
        "netlink": "EAFNOSUPPORT", "packet": "EAFNOSUPPORT", "raw": "EPERM"});
    let mut two = Two::behind_all_walls(hostile!("network")).await;
    assert_eq!(two.gets(input.clone()).await, alone);
    two.other_is_well().await;

    let mut open = Two::without(hostile!("network"), |p| p.own_net = false).await;
    let met = open.gets(input).await;
    assert_eq!(
        (&met["host"], &met["abstract"]),
        (&json!("done"), &json!("done"))
    );
}

#[tokio::test]
async fn a_forged_frame_is_no_answer() {
    let mut two = Two::behind_all_walls(hostile!("forged_frame")).await;
    for how in ["forge", "junk", "long", "not json", "descriptors"] {
        two.fails(json!({"how": how}), FailureCode::Killed).await;
        two.other_is_well().await;
    }
    two.fails(json!({"how": "endless"}), FailureCode::OutputTooLarge)
        .await;
    two.fails(json!({"how": "close"}), FailureCode::Exit).await;
    assert_eq!(two.gets(json!({"how": "not at all"})).await, "real");
    two.other_is_well().await;

    let mut open = Two::without(hostile!("forged_frame"), |p| p.strict_frames = false).await;
    assert_eq!(open.gets(json!({"how": "forge"})).await, "forged");
}

#[tokio::test]
async fn an_output_flood_is_dropped_and_then_ended() {
    let mut two = Two::behind_all_walls(hostile!("output_flood")).await;
    two.fails(json!({"mib": 200}), FailureCode::OutputTooLarge)
        .await;
    two.other_is_well().await;
    assert_eq!(two.gets(json!({"mib": 8})).await, 8);

    let mut open = Two::without(hostile!("output_flood"), |p| p.bound_output = false).await;
    assert_eq!(open.gets(json!({"mib": 70})).await, 70);
}

#[tokio::test]
async fn a_daemon_does_not_meet_the_next_call() {
    let mut two = Two::behind_all_walls(hostile!("daemon")).await;
    for _ in 0..3 {
        two.gets(json!({"leave": true})).await;
        assert!(two.hostile.is_reusable());
        assert_eq!(two.gets(json!({"leave": false})).await, json!([0, false]));
    }
    two.other_is_well().await;

    let mut open = Two::without(hostile!("daemon"), |p| p.sweep = false).await;
    open.gets(json!({"leave": true})).await;
    assert_eq!(open.gets(json!({"leave": false})).await, json!([2, true]));
}

/// The second tenant runs the same program while the first one holds what it took:
/// what the second got at last.
async fn beside_one_that_holds(world: &World, most: u64) -> Value {
    let limits = Limits {
        pids: 128,
        ..LIMITS
    };
    let mut first = bind(world, hostile!("inotify"), limits).await;
    let mut second = bind(world, hostile!("inotify"), limits).await;
    let holding = json!({"most": most, "hold": 300}).to_string();
    let asking = json!({"most": most}).to_string();
    let mut asked = request(&holding);
    asked.timeout = Duration::from_secs(60);
    let killer = first.killer();
    let (_killed, got) = tokio::join!(first.run(asked), async {
        let mut got = Value::Null;
        // It takes the first one a moment to have what it wants.
        for _ in 0..50 {
            got = serde_json::from_str(&output(&run(&mut second, &asking).await)).unwrap();
            if got[0] != most {
                break;
            }
        }
        killer.kill();
        got
    });
    got
}

#[tokio::test]
async fn inotify_instances_of_all_tenants_can_not_be_taken_by_one() {
    let all = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").unwrap();
    let most = all.trim().parse::<u64>().unwrap() * 5 / 8;
    let world = host();
    assert_eq!(
        beside_one_that_holds(&world, most).await,
        json!([0, "ENOSYS"])
    );
    let mut two = Two::on(world, hostile!("inotify"), LIMITS).await;
    two.other_is_well().await;

    // With the call allowed, one tenant's instances are missing from another's.
    let open = weakened(|p| p.allow.push("inotify_init1"));
    let got = beside_one_that_holds(&open, most).await;
    assert!(
        got[0].as_u64().unwrap() < most && got[1] == "EMFILE",
        "{got}"
    );
}

#[tokio::test]
async fn queued_signals_of_all_tenants_can_not_be_used_up_by_one() {
    let mut two = Two::behind_all_walls(hostile!("queued_signals")).await;
    let most = two.gets(json!({"most": 5000})).await.as_u64().unwrap();
    assert!(most <= 256, "{most}");
    let mut other = bind(&two.world, hostile!("queued_signals"), LIMITS).await;
    let done = run(&mut other, r#"{"most": 200}"#).await;
    assert_eq!(output(&done), "200");
    drop(other);
    two.other_is_well().await;

    let mut open = Two::without(hostile!("queued_signals"), |p| p.bound_signals = false).await;
    assert_eq!(open.gets(json!({"most": 5000})).await, 5000);
}

#[tokio::test]
async fn nothing_can_be_left_in_the_kernel() {
    let mut two = Two::behind_all_walls(hostile!("kernel_objects")).await;
    let none = json!({"shm": "ENOSYS", "sem": "ENOSYS", "msg": "ENOSYS"});
    assert_eq!(two.gets(json!({"leave": true})).await, none);
    two.other_is_well().await;

    let mut open = Two::without(hostile!("kernel_objects"), |p| {
        p.allow.extend(["shmget", "semget", "msgget"]);
    })
    .await;
    open.gets(json!({"leave": true})).await;
    let found = open.gets(json!({"leave": false})).await;
    assert_eq!(found, json!({"shm": "done", "sem": "done", "msg": "done"}));
}

#[tokio::test]
async fn what_the_import_made_can_not_be_changed() {
    let mut two = Two::behind_all_walls(hostile!("import_files")).await;
    for _ in 0..2 {
        assert_eq!(two.gets(json!({})).await, json!([]));
    }
    two.other_is_well().await;

    let mut open = Two::without(hostile!("import_files"), |p| p.second_uid = false).await;
    let changed = open.gets(json!({})).await;
    for name in ["replace", "mode", "times", "shm"] {
        assert!(
            changed.as_array().unwrap().contains(&json!(name)),
            "{changed}"
        );
    }
}

#[tokio::test]
async fn files_that_resist_are_removed_too() {
    let mut two = Two::behind_all_walls(hostile!("stubborn_files")).await;
    for _ in 0..2 {
        two.gets(json!({"leave": true})).await;
        assert!(two.hostile.is_reusable());
        assert_eq!(two.gets(json!({"leave": false})).await, json!(["main.py"]));
    }
    two.other_is_well().await;

    let mut open = Two::without(hostile!("stubborn_files"), |p| p.sweep = false).await;
    open.gets(json!({"leave": true})).await;
    assert!(
        open.gets(json!({"leave": false}))
            .await
            .as_array()
            .unwrap()
            .len()
            > 10
    );
}
