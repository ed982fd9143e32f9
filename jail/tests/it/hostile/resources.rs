//! What would use up what is there: processes, memory, files, output, the kernel's shared counts.

use std::time::Duration;

use jail::{FailureCode, Limits};
use serde_json::{Value, json};

use super::{Two, bind};
use crate::world::{LIMITS, World, host, output, request, run, weakened};

#[tokio::test]
async fn a_fork_bomb_meets_the_plan_s_processes() {
    let mut two = Two::behind_all_walls(hostile!("exhaustion/fork_bomb")).await;
    for _ in 0..2 {
        two.fails(json!({"most": 300}), FailureCode::TooManyProcesses)
            .await;
        two.other_is_well().await;
    }
    assert_eq!(two.gets(json!({"most": 3})).await, 3);

    let mut open = Two::without(hostile!("exhaustion/fork_bomb"), |p| p.bound_pids = false).await;
    assert_eq!(open.gets(json!({"most": 60})).await, 60);
}

#[tokio::test]
async fn a_memory_bomb_kills_in_its_own_group_alone() {
    let mut two = Two::behind_all_walls(hostile!("exhaustion/memory_bomb")).await;
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

    let mut open = Two::without(hostile!("exhaustion/memory_bomb"), |p| {
        p.bound_memory = false
    })
    .await;
    assert_eq!(open.gets(json!({"mib": 200, "how": "pages"})).await, 200);
}

#[tokio::test]
async fn filling_the_scratch_space_fills_one_s_own() {
    let limits = Limits {
        scratch_bytes: 2 << 20,
        scratch_inodes: 100,
        ..LIMITS
    };
    let mut two = Two::on(host(), hostile!("exhaustion/tmpfs_fill"), limits).await;
    for how in ["bytes", "files"] {
        two.fails(json!({"how": how}), FailureCode::DiskFull).await;
        assert_eq!(two.gets(json!({"how": "list"})).await, json!([]));
        two.other_is_well().await;
    }

    let mut open = Two::without(hostile!("exhaustion/tmpfs_fill"), |p| {
        p.bound_scratch = false
    })
    .await;
    assert_eq!(open.gets(json!({"how": "bytes"})).await, Value::Null);
    assert_eq!(open.gets(json!({"how": "files"})).await, Value::Null);
}

#[tokio::test]
async fn an_output_flood_is_dropped_and_then_ended() {
    let mut two = Two::behind_all_walls(hostile!("exhaustion/output_flood")).await;
    two.fails(json!({"mib": 200}), FailureCode::OutputTooLarge)
        .await;
    two.other_is_well().await;
    assert_eq!(two.gets(json!({"mib": 8})).await, 8);

    let mut open = Two::without(hostile!("exhaustion/output_flood"), |p| {
        p.bound_output = false
    })
    .await;
    assert_eq!(open.gets(json!({"mib": 70})).await, 70);
}

/// The second tenant runs the same program while the first one holds what it took:
/// what the second got at last.
async fn beside_one_that_holds(world: &World, most: u64) -> Value {
    let limits = Limits {
        pids: 128,
        ..LIMITS
    };
    let mut first = bind(world, hostile!("exhaustion/inotify"), limits).await;
    let mut second = bind(world, hostile!("exhaustion/inotify"), limits).await;
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
    let mut two = Two::on(world, hostile!("exhaustion/inotify"), LIMITS).await;
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
    let mut two = Two::behind_all_walls(hostile!("exhaustion/queued_signals")).await;
    let most = two.gets(json!({"most": 5000})).await.as_u64().unwrap();
    assert!(most <= 256, "{most}");
    let mut other = bind(&two.world, hostile!("exhaustion/queued_signals"), LIMITS).await;
    let done = run(&mut other, r#"{"most": 200}"#).await;
    assert_eq!(output(&done), "200");
    drop(other);
    two.other_is_well().await;

    let mut open = Two::without(hostile!("exhaustion/queued_signals"), |p| {
        p.bound_signals = false
    })
    .await;
    assert_eq!(open.gets(json!({"most": 5000})).await, 5000);
}
