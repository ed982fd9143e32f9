//! A worker without a sandbox: builds what is published, runs what is queued, over the
//! real tables and the real queue. What a function does is its code: one word.

use common::clock::{Clock as _, SystemClock};
use common::db::builds::{self, Built};
use common::db::{Database, versions};
use common::entry::Entry;
use common::execution::{Ending, ErrorCode, Failure, FinalState, SealedOutcome};
use common::ids::{AccountId, ProcessId};
use common::limits;
use common::queue::{Finish, Finished, Leased, Links, Reader, StreamKind, Taken, finish};
use common::testing::{Queue, Role, TestDatabase};
use common::vault::{Purpose, Vault};

#[derive(Clone)]
pub(crate) struct StandIn {
    process: ProcessId,
    database: Database,
    vault: Vault,
    links: Links,
    client: redis::Client,
    partition: common::queue::Partition,
}

impl StandIn {
    pub(crate) fn new(database: &TestDatabase, queue: &Queue) -> Self {
        Self {
            process: ProcessId::new(&SystemClock),
            database: database.connect(Role::Worker),
            vault: database.vault(Role::Worker),
            links: Links::new(queue.client.clone(), queue.partition.clone()),
            client: queue.client.clone(),
            partition: queue.partition.clone(),
        }
    }

    /// Builds what is published, until it is dropped.
    pub(crate) async fn build(&self) {
        let mut client = self.database.client().await.unwrap();
        loop {
            let now = SystemClock.now();
            let claimed = builds::claim(&client, self.process, now, limits::LEASE).await;
            if let Some(building) = claimed.unwrap() {
                let version = building.version.id;
                builds::finish(&mut client, version, self.process, &Built::default(), now)
                    .await
                    .unwrap();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Runs what is called, until it is dropped.
    pub(crate) async fn run(&self) {
        let consumer = self.process.to_string();
        let stream = StreamKind::Interactive;
        let mut reader = Reader::new(self.client.clone(), &self.partition, stream, &consumer);
        loop {
            for taken in reader.read(1).await.unwrap() {
                let Taken::Leased(leased) = taken else {
                    panic!("a damaged entry");
                };
                self.answer(&leased).await;
            }
        }
    }

    async fn answer(&self, leased: &Leased) {
        let entry = Entry::decode(&leased.body).unwrap();
        let input = self.opened(&entry, (Purpose::Input, leased.id.uuid()), &entry.input);
        let input = input.await;
        let client = self.database.client().await.unwrap();
        let sealed = versions::code(&client, entry.account, entry.version)
            .await
            .unwrap()
            .unwrap();
        drop(client);
        let place = (Purpose::Code, entry.version.uuid());
        let order = self.opened(&entry, place, &sealed).await;
        let outcome = self.outcome(leased, &entry, done(&order, &input)).await;
        let link = self.links.link().await.unwrap();
        let ended = Finish {
            leased,
            outcome: &outcome,
            retry: None,
            next: None,
        };
        let (finished, _) = finish(&link, &ended).await.unwrap();
        assert!(matches!(finished, Finished::Done { .. }), "{finished:?}");
    }

    async fn outcome(
        &self,
        leased: &Leased,
        entry: &Entry,
        done: Result<String, Failure>,
    ) -> SealedOutcome {
        let now = SystemClock.now();
        let seal = async |purpose, text: &[u8]| {
            let id = leased.id.uuid();
            let sealed = self.vault.seal(entry.account, purpose, id, text).await;
            Some(sealed.unwrap())
        };
        let (output, error, code) = match &done {
            Ok(output) => (seal(Purpose::Output, output.as_bytes()).await, None, None),
            Err(failure) => {
                let text = serde_json::to_vec(failure).unwrap();
                let code = Some(failure.code);
                (None, seal(Purpose::Error, &text).await, code)
            }
        };
        SealedOutcome {
            ending: Ending {
                state: code.map_or(FinalState::Succeeded, ErrorCode::state),
                error_code: code,
                attempt: 1,
                started_at: Some(now),
                finished_at: now,
                duration_us: Some(1),
                cpu_us: Some(1),
                memory_peak_bytes: Some(1),
            },
            output,
            error,
            logs: None,
        }
    }

    async fn opened(
        &self,
        entry: &Entry,
        (purpose, id): (Purpose, uuid::Uuid),
        sealed: &[u8],
    ) -> String {
        let account: AccountId = entry.account;
        let opened = self.vault.open(account, purpose, id, sealed).await;
        String::from_utf8(opened.unwrap()).unwrap()
    }
}

/// What the order makes of an input, both JSON texts.
fn done(order: &str, input: &str) -> Result<String, Failure> {
    match order {
        "echo" => Ok(input.to_owned()),
        "fail" => Err(Failure {
            kind: Some("ValueError".to_owned()),
            traceback: Some("  File \"main.py\", line 3, in main\n".to_owned()),
            ..Failure::new(ErrorCode::Exception, "no such city")
        }),
        // Anything else is the output itself.
        output => Ok(output.to_owned()),
    }
}
