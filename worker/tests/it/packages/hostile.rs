//! An index that lies, and packages that climb out.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use common::execution::ErrorCode;

use super::index::Index;
use super::{broken, ready};
use crate::rig::{Rig, WorkerProcess};

struct World {
    rig: Rig,
    index: Index,
    worker: WorkerProcess,
    /// A host that is not the index'.
    other: TcpListener,
    plans: PathBuf,
}

impl World {
    async fn new(test: &str) -> Self {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        other.set_nonblocking(true).unwrap();
        let index = Index::start(test, other.local_addr().unwrap().port());
        let rig = Rig::new().await;
        let plans = std::env::temp_dir().join(format!("pbt-plans-{}-{test}", std::process::id()));
        let small = include_str!("../../../../ops/plans.toml")
            .replace("packages_mib = 4096", "packages_mib = 32");
        std::fs::write(&plans, small).unwrap();
        let worker = start(&rig, &index, &plans).await;
        Self {
            rig,
            index,
            worker,
            other,
            plans,
        }
    }

    async fn broken(&self, requirement: &str) -> String {
        broken(&self.rig, &[requirement]).await
    }

    /// The next version of this worker is well.
    async fn still_works(&self) {
        let code = "import good\ndef main(): return good.WORD";
        let tenant = ready(&self.rig, &["good"], code).await;
        let outcome = self.rig.call(&tenant, "{}").await;
        assert_eq!(
            outcome.output.as_deref(),
            Some("\"well\""),
            "{:?}",
            outcome.error
        );
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.plans);
    }
}

async fn start(rig: &Rig, index: &Index, plans: &Path) -> WorkerProcess {
    rig.worker(&[
        ("PATCHBAY_PACKAGE_INDEX", &index.address()),
        ("PATCHBAY_PLANS_FILE", plans.to_str().unwrap()),
        ("PATCHBAY_INSTALL_SECONDS", "8"),
    ])
    .await
}

#[tokio::test]
async fn a_file_that_is_not_what_the_index_said_is_refused() {
    let world = World::new("liar").await;
    let told = world.broken("liar").await;
    assert!(told.to_lowercase().contains("hash"), "{told}");
    world.still_works().await;
}

#[tokio::test]
async fn a_bomb_fills_what_its_plan_allows_and_nothing_else() {
    let world = World::new("bomb").await;
    let told = world.broken("bomb").await;
    assert_eq!(told, "the packages take more than 32 MiB");
    world.still_works().await;
}

#[tokio::test]
async fn no_file_and_no_link_of_a_package_leads_out_of_it() {
    let world = World::new("climber").await;
    for package in ["climber", "rooted", "linker"] {
        // Refused, or installed without what leads out.
        let code = format!(
            "import os, {package}\ndef main():\n \
             links = [p for d, f, n in os.walk('/layer') for p in n if os.path.islink(d + '/' + p)]\n \
             return [os.path.exists('/tmp/climbed.py'), os.path.exists('/tmp/rooted.py'), links]"
        );
        let tenant = super::publish(&world.rig, &[package], &code).await;
        let version = super::built(&world.rig, &tenant).await;
        if version.broken_kind.is_none() {
            let outcome = world.rig.call(&tenant, "{}").await;
            assert_eq!(
                outcome.output.as_deref(),
                Some("[false,false,[]]"),
                "{package}"
            );
        }
    }
    for place in ["/tmp/climbed.py", "/tmp/rooted.py"] {
        assert!(!Path::new(place).exists(), "{place} is on the host");
    }
    world.still_works().await;
}

#[tokio::test]
async fn an_endless_answer_ends_by_its_bytes_or_by_the_time() {
    let world = World::new("endless").await;
    let told = world.broken("endless").await;
    assert_eq!(told, "the packages take more than 32 MiB");
    let told = world.broken("flood").await;
    assert_eq!(told, "more than 256 MiB were downloaded");
    let told = world.broken("many").await;
    assert_eq!(
        told,
        "the list of packages with their hashes is longer than 2 MiB"
    );
    let told = world.broken("slow").await;
    assert!(told.contains("longer than 8 s"), "{told}");
    world.still_works().await;
}

#[tokio::test]
async fn a_build_reaches_no_other_host() {
    let world = World::new("elsewhere").await;
    for package in ["elsewhere", "redirected"] {
        let told = world.broken(package).await;
        assert!(!told.is_empty());
    }
    assert!(world.index.asked().contains("/files/redirected"));
    assert!(
        world.other.accept().is_err(),
        "somebody reached the other host"
    );
    world.still_works().await;
}

#[tokio::test]
async fn what_the_index_has_but_not_for_us_is_told() {
    let world = World::new("unfit").await;
    for (package, words) in [
        ("foreign", ["foreign", "platform"]),
        ("source", ["source", "wheel"]),
        ("yanked", ["yanked", "yanked"]),
        ("goood", ["goood", "not found"]),
    ] {
        let told = world.broken(package).await;
        for word in words {
            assert!(told.contains(word), "{package}: {told}");
        }
    }
}

#[tokio::test]
async fn a_package_stands_in_for_nothing_of_the_library() {
    let world = World::new("shadow").await;
    let code = "import json, shadow, subprocess, sys\ndef main():\n \
        child = subprocess.run([sys.executable, '-c', 'import json; print(json.__file__)'], capture_output=True, text=True)\n \
        return [json.dumps(shadow.WORD), 'layer' in child.stdout, child.stderr]";
    let tenant = ready(&world.rig, &["shadow"], code).await;
    let outcome = world.rig.call(&tenant, "{}").await;
    assert_eq!(outcome.output.as_deref(), Some(r#"["\"well\"",false,""]"#));
}

#[tokio::test]
async fn an_index_that_is_away_is_waited_for_and_then_named() {
    let world = World::new("away").await;
    world.index.turn("broken");
    let told = world.broken("good").await;
    assert!(told.contains("cannot be reached"), "{told}");
    world.index.mend("broken");
    world.still_works().await;
}

#[tokio::test]
async fn a_lock_whose_files_vanished_fails_each_call_with_the_index_s_words() {
    let mut world = World::new("vanished").await;
    let code = "import good\ndef main(): return good.WORD";
    let tenant = ready(&world.rig, &["good"], code).await;
    world.index.turn("vanish");
    // This worker has the layer.
    let outcome = world.rig.call(&tenant, "{}").await;
    assert_eq!(outcome.output.as_deref(), Some("\"well\""));
    world.worker.kill();
    let _other = start(&world.rig, &world.index, &world.plans).await;
    let World { rig, index, .. } = &world;
    let outcome = rig.call(&tenant, "{}").await;
    let error = outcome.error.unwrap();
    assert_eq!(error.code, ErrorCode::ImportError);
    assert!(error.message.contains("good"), "{}", error.message);
    // It is no verdict about the version: the files may come back.
    index.mend("vanish");
    let outcome = rig.call(&tenant, "{}").await;
    assert_eq!(
        outcome.output.as_deref(),
        Some("\"well\""),
        "{:?}",
        outcome.error
    );
}
