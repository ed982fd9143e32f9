//! What would be left for the next call.

use serde_json::json;

use super::Two;

#[tokio::test]
async fn the_previous_input_is_nowhere_to_be_found() {
    let mut two = Two::behind_all_walls(hostile!("leakage/read_previous")).await;
    for _ in 0..2 {
        two.gets(json!({"leave": "planted-word"})).await;
        assert!(two.hostile.is_reusable());
        assert_eq!(two.gets(json!({})).await, json!([]));
        two.other_is_well().await;
    }

    let mut open = Two::without(hostile!("leakage/read_previous"), |p| p.sweep = false).await;
    open.gets(json!({"leave": "planted-word"})).await;
    let found = open.gets(json!({})).await;
    assert_eq!(found, json!(["/tmp/left", "/dev/shm/left", "process"]));
}

#[tokio::test]
async fn a_daemon_does_not_meet_the_next_call() {
    let mut two = Two::behind_all_walls(hostile!("persistence/daemon")).await;
    for _ in 0..3 {
        two.gets(json!({"leave": true})).await;
        assert!(two.hostile.is_reusable());
        assert_eq!(two.gets(json!({"leave": false})).await, json!([0, false]));
    }
    two.other_is_well().await;

    let mut open = Two::without(hostile!("persistence/daemon"), |p| p.sweep = false).await;
    open.gets(json!({"leave": true})).await;
    assert_eq!(open.gets(json!({"leave": false})).await, json!([2, true]));
}

#[tokio::test]
async fn nothing_can_be_left_in_the_kernel() {
    let mut two = Two::behind_all_walls(hostile!("persistence/kernel_objects")).await;
    let none = json!({"shm": "ENOSYS", "sem": "ENOSYS", "msg": "ENOSYS"});
    assert_eq!(two.gets(json!({"leave": true})).await, none);
    two.other_is_well().await;

    let mut open = Two::without(hostile!("persistence/kernel_objects"), |p| {
        p.allow.extend(["shmget", "semget", "msgget"]);
    })
    .await;
    open.gets(json!({"leave": true})).await;
    let found = open.gets(json!({"leave": false})).await;
    assert_eq!(found, json!({"shm": "done", "sem": "done", "msg": "done"}));
}

#[tokio::test]
async fn what_the_import_made_can_not_be_changed() {
    let mut two = Two::behind_all_walls(hostile!("persistence/import_files")).await;
    for _ in 0..2 {
        assert_eq!(two.gets(json!({})).await, json!([]));
    }
    two.other_is_well().await;

    let mut open = Two::without(hostile!("persistence/import_files"), |p| {
        p.second_uid = false
    })
    .await;
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
    let mut two = Two::behind_all_walls(hostile!("persistence/stubborn_files")).await;
    for _ in 0..2 {
        two.gets(json!({"leave": true})).await;
        assert!(two.hostile.is_reusable());
        assert_eq!(two.gets(json!({"leave": false})).await, json!(["main.py"]));
    }
    two.other_is_well().await;

    let mut open = Two::without(hostile!("persistence/stubborn_files"), |p| p.sweep = false).await;
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
