//! A prepared host for one test, from what `ops/test` exports.

use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use jail::{
    Bound, Code, Context, Done, Environment, Failure, Host, HostConfig, Limits, Profile, Request,
    Sandbox,
};

pub(crate) const LIMITS: Limits = Limits {
    memory_bytes: 64 << 20,
    cpu_percent: 100,
    cpu_weight: 100,
    pids: 16,
    scratch_bytes: 16 << 20,
    scratch_inodes: 1_000,
};
pub(crate) const OUTPUT: usize = 1 << 20;
pub(crate) const IMPORT: Duration = Duration::from_secs(30);

#[expect(
    clippy::disallowed_methods,
    reason = "tests take their places from the environment"
)]
pub(crate) fn place(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable);
    PathBuf::from(value.unwrap_or_else(|| panic!("{variable} is not set: run ops/test")))
}

pub(crate) fn config() -> HostConfig {
    let name = format!("jail-test-{}", std::process::id());
    HostConfig {
        state_dir: std::env::temp_dir().join(&name),
        rootfs: place("PATCHBAY_ROOTFS"),
        nsjail: place("PATCHBAY_NSJAIL"),
        layers: vec![std::env::temp_dir()],
        name,
        max_sandboxes: 8,
        egress: jail::EgressConfig::default(),
    }
}

/// A host that leaves nothing behind when the test ends.
pub(crate) struct World(Option<Host>);

impl Deref for World {
    type Target = Host;

    fn deref(&self) -> &Host {
        self.0.as_ref().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(host) = self.0.take() {
            let clean = host.close(Duration::from_secs(20));
            assert!(clean || std::thread::panicking(), "sandboxes are left");
        }
    }
}

pub(crate) fn host() -> World {
    World(Some(Host::prepare(&config()).unwrap()))
}

/// Of a test that meets what happens when a wall is not there.
pub(crate) fn weakened(weaken: impl FnOnce(&mut Profile)) -> World {
    let mut profile = Profile::default();
    weaken(&mut profile);
    world_of(&config(), profile)
}

pub(crate) fn world_of(config: &HostConfig, profile: Profile) -> World {
    World(Some(Host::prepare_weakened(config, profile).unwrap()))
}

pub(crate) async fn bound(host: &Host, source: &str) -> Bound {
    let generic = host.boot().await.unwrap();
    generic
        .bind(&Code::single(source), &LIMITS, IMPORT)
        .await
        .unwrap()
}

pub(crate) async fn sandbox(host: &Host, source: &str) -> Sandbox {
    bound(host, source).await.sandbox.unwrap()
}

pub(crate) fn request(input: &str) -> Request<'_> {
    Request {
        input: input.as_bytes(),
        context: Context {
            execution_id: "ex_1",
            ..Context::default()
        },
        timeout: Duration::from_secs(20),
        output_bytes: OUTPUT,
        tap: None,
        environment: Environment::default(),
    }
}

pub(crate) async fn run(sandbox: &mut Sandbox, input: &str) -> Done {
    sandbox.run(request(input)).await.unwrap()
}

/// One version, one call, in a sandbox of its own.
pub(crate) async fn once(source: &str, input: &str) -> Done {
    let host = host();
    let mut sandbox = sandbox(&host, source).await;
    run(&mut sandbox, input).await
}

pub(crate) fn output(done: &Done) -> String {
    match &done.result {
        Ok(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        Err(failure) => panic!("{failure:?}\n{}\n{}", done.stdout, done.stderr),
    }
}

pub(crate) fn failure(done: &Done) -> &Failure {
    done.result.as_ref().unwrap_err()
}
