//! Claiming a version to build, and ending its build.

use std::time::Duration;

use common::clock::{Clock as _, SystemClock};
use common::db::builds::{self, Building, Built, Claim};
use common::db::versions::{self, BrokenKind, EntryPoint, Status};
use common::db::{Client, functions};
use common::ids::{ProcessId, VersionId};
use common::packages::Lock;
use common::testing::given::{self, Tenant};
use common::testing::{self, Role, TestDatabase};
use jiff::{Timestamp, ToSpan as _};

const LEASE: Duration = Duration::from_secs(10);

struct Builds {
    database: TestDatabase,
    tenant: Tenant,
    worker: Client,
    now: Timestamp,
}

impl Builds {
    async fn new() -> Self {
        let database = testing::database().await;
        let tenant = given::tenant(&database).await;
        let worker = database.connect(Role::Worker).client().await.unwrap();
        Self {
            database,
            tenant,
            worker,
            now: SystemClock.now(),
        }
    }

    async fn publish(&self) -> VersionId {
        let place = (self.tenant.account, self.tenant.namespace);
        let name = &self.tenant.function_name;
        given::building(&self.database, place, name, "x").await.1
    }

    async fn claim(&self, process: ProcessId, at: Timestamp) -> Option<Building> {
        self.claim_of(process, at, true).await
    }

    async fn claim_of(
        &self,
        process: ProcessId,
        now: Timestamp,
        with_packages: bool,
    ) -> Option<Building> {
        let claim = Claim {
            process,
            now,
            lease: LEASE,
            with_packages,
        };
        builds::claim(&self.worker, &claim).await.unwrap()
    }

    async fn finish(&mut self, version: VersionId, process: ProcessId, built: &Built) -> bool {
        builds::finish(&mut self.worker, version, process, built, self.now)
            .await
            .unwrap()
    }

    async fn current(&self) -> VersionId {
        let name = self.tenant.function_name.as_str();
        let (account, namespace) = (self.tenant.account, self.tenant.namespace);
        let api = self.database.connect(Role::Api).client().await.unwrap();
        let function = functions::find(&api, account, namespace, name);
        function.await.unwrap().unwrap().version.id
    }

    async fn version(&self, id: VersionId) -> versions::Version {
        let found = versions::find(&self.worker, self.tenant.account, id).await;
        found.unwrap().unwrap()
    }
}

fn process() -> ProcessId {
    ProcessId::new(&SystemClock)
}

#[tokio::test]
async fn one_builder_has_a_version_until_its_lease_is_over_and_then_is_refused() {
    let mut builds = Builds::new().await;
    let version = builds.publish().await;
    let (one, two) = (process(), process());
    let claimed = builds.claim(one, builds.now).await.unwrap();
    assert_eq!((claimed.version.id, claimed.attempts), (version, 1));
    assert_eq!(claimed.account, builds.tenant.account);
    assert!(!claimed.code.is_empty());
    assert!(builds.claim(two, builds.now + 9.seconds()).await.is_none());
    let late = builds.claim(two, builds.now + 10.seconds()).await.unwrap();
    assert_eq!((late.version.id, late.attempts), (version, 2));
    let built = Built::default();
    assert!(
        !builds.finish(version, one, &built).await,
        "it lost the claim"
    );
    assert!(builds.finish(version, two, &built).await);
    assert!(!builds.finish(version, two, &built).await, "it is built");
    assert_eq!(builds.current().await, version);
}

#[tokio::test]
async fn one_account_s_many_versions_keep_no_other_s_waiting() {
    let mut builds = Builds::new().await;
    let another = given::tenant(&builds.database).await;
    let (first, second) = (builds.publish().await, builds.publish().await);
    builds.tenant = another;
    let other = builds.publish().await;
    let me = process();
    let mut order = Vec::new();
    for _ in 0..3 {
        order.push(builds.claim(me, builds.now).await.unwrap().version.id);
    }
    assert_eq!(order, [first, other, second]);
}

#[tokio::test]
async fn a_version_that_asks_for_packages_waits_for_who_has_a_place_for_it() {
    let builds = Builds::new().await;
    let place = (builds.tenant.account, builds.tenant.namespace);
    let name = &builds.tenant.function_name;
    let asked = ("x", &["six"][..]);
    let packed = given::building_with(&builds.database, place, name, asked)
        .await
        .1;
    let plain = builds.publish().await;
    let me = process();
    let claimed = builds.claim_of(me, builds.now, false).await.unwrap();
    assert_eq!(claimed.version.id, plain);
    assert!(builds.claim_of(me, builds.now, false).await.is_none());
    let claimed = builds.claim_of(me, builds.now, true).await.unwrap();
    assert_eq!(claimed.version.id, packed);
}

#[tokio::test]
async fn a_lock_is_kept_with_its_version_and_shared_by_equal_ones() {
    let mut builds = Builds::new().await;
    let lock = Lock::of("six==1.17.0 \\\n    --hash=sha256:aa\n".to_owned());
    let built = Built {
        lock: Some(lock.clone()),
        ..Built::default()
    };
    let me = process();
    for _ in 0..2 {
        let version = builds.publish().await;
        let claimed = builds.claim(me, builds.now).await.unwrap();
        assert_eq!(claimed.lock_text, None);
        assert!(builds.finish(version, me, &built).await);
        assert_eq!(builds.version(version).await.lock, Some(lock.digest));
        let account = builds.tenant.account;
        let found = versions::lock(&builds.worker, account, version).await;
        assert_eq!(found.unwrap(), Some(lock.text.clone()));
    }
}

#[tokio::test]
async fn a_claim_given_back_is_to_be_had_at_once_and_does_not_count() {
    let builds = Builds::new().await;
    let version = builds.publish().await;
    let (one, two) = (process(), process());
    builds.claim(one, builds.now).await.unwrap();
    assert!(builds::release(&builds.worker, version, one).await.unwrap());
    let again = builds.claim(two, builds.now).await.unwrap();
    assert_eq!(again.attempts, 1);
    let renewed = builds::renew(
        &builds.worker,
        version,
        two,
        builds.now + 9.seconds(),
        LEASE,
    );
    assert!(renewed.await.unwrap());
    assert!(builds.claim(one, builds.now + 15.seconds()).await.is_none());
}

#[tokio::test]
async fn an_older_version_built_later_does_not_become_current() {
    let mut builds = Builds::new().await;
    let (older, newer) = (builds.publish().await, builds.publish().await);
    let me = process();
    assert_eq!(
        builds.claim(me, builds.now).await.unwrap().version.id,
        older
    );
    assert_eq!(
        builds.claim(me, builds.now).await.unwrap().version.id,
        newer
    );
    assert!(builds.finish(newer, me, &Built::default()).await);
    assert!(builds.finish(older, me, &Built::default()).await);
    assert_eq!(builds.current().await, newer);
}

#[tokio::test]
async fn what_was_inferred_fills_only_what_was_not_given() {
    let mut builds = Builds::new().await;
    let version = builds.publish().await;
    let me = process();
    builds.claim(me, builds.now).await.unwrap();
    let built = Built {
        entry_point: Some(EntryPoint::Main),
        input_schema: Some("{}".to_owned()),
        description: Some(b"sealed docstring".to_vec()),
        ..Built::default()
    };
    assert!(builds.finish(version, me, &built).await);
    let version = builds.version(version).await;
    assert_eq!(version.status, Status::Ready);
    assert_eq!(version.input_schema.as_deref(), Some("{}"));
    assert!(version.schema_inferred);
    assert_eq!(
        version.description.as_deref(),
        Some(b"sealed docstring".as_slice())
    );
    assert_eq!(version.entry_point, Some(EntryPoint::Main));
}

#[tokio::test]
async fn wrong_syntax_is_broken_and_a_failing_import_is_ready() {
    let mut builds = Builds::new().await;
    let before = builds.current().await;
    let me = process();
    for (kind, status) in [
        (BrokenKind::Syntax, Status::Broken),
        (BrokenKind::Build, Status::Broken),
        (BrokenKind::Import, Status::Ready),
    ] {
        let version = builds.publish().await;
        builds.claim(me, builds.now).await.unwrap();
        let built = Built {
            broken: Some(kind),
            reason: Some(b"sealed reason".to_vec()),
            ..Built::default()
        };
        assert!(builds.finish(version, me, &built).await);
        let found = builds.version(version).await;
        assert_eq!((found.status, found.broken_kind), (status, Some(kind)));
        let current = builds.current().await;
        let expected = if status == Status::Ready {
            version
        } else {
            before
        };
        assert_eq!(current, expected, "{kind:?}");
    }
}
