//! What the stand-in prints, told as a worker tells it.

use std::time::Duration;

use common::execution::Logs;
use common::ids::{AccountId, ExecutionId};
use common::live_log::{Piece, Stream, Teller};
use common::queue::{self, Appended, Leased, LogText};
use common::testing::wait_until;
use common::vault::Purpose;
use jiff::Timestamp;

use super::{BOUND, Worker};

/// One run's.
pub(crate) struct Printing {
    leased: Leased,
    account: AccountId,
    began: Timestamp,
    attempt: u32,
    teller: Teller,
    logs: Logs,
}

impl Worker {
    pub(super) fn began(&self, leased: &Leased, account: AccountId, began: Timestamp) {
        let printing = Printing {
            leased: leased.clone(),
            account,
            began,
            attempt: 1,
            teller: Teller::new(began, 1),
            logs: Logs::default(),
        };
        let mut all = self.inner.printing.lock().unwrap();
        all.insert(leased.id, printing);
    }

    /// As if another worker had begun it again a second later.
    pub(crate) fn begins_again(&self, id: ExecutionId) {
        let mut all = self.inner.printing.lock().unwrap();
        let printing = all.get_mut(&id).unwrap();
        printing.began += Duration::from_secs(1);
        printing.attempt += 1;
        printing.teller = Teller::new(printing.began, printing.attempt);
        printing.logs = Logs::default();
    }

    /// Prints, and tells it; waits until the execution runs.
    pub(crate) async fn print(&self, id: ExecutionId, stream: Stream, text: &str) {
        let mut printing = wait_until("it runs", BOUND, async || {
            let mut all = self.inner.printing.lock().unwrap();
            all.remove(&id).ok_or("not yet")
        })
        .await;
        match stream {
            Stream::Stdout => printing.logs.stdout.push_str(text),
            Stream::Stderr => printing.logs.stderr.push_str(text),
        }
        let piece = Piece {
            stream,
            text: text.to_owned(),
            at: printing.began,
        };
        for batch in printing.teller.tell(vec![piece]) {
            let place = (printing.account, Purpose::LiveLog, id.uuid());
            let sealed = self.inner.vault.seal(place.0, place.1, place.2, &batch);
            let sealed = sealed.await.unwrap();
            let told = LogText {
                leased: &printing.leased,
                run: printing.teller.run(),
                sealed: &sealed,
                kept: Duration::from_secs(60),
            };
            let link = self.inner.links.link().await.unwrap();
            let appended = queue::append_log(&link, &told).await.unwrap();
            assert_eq!(appended, Appended::Done);
        }
        self.inner.printing.lock().unwrap().insert(id, printing);
    }

    /// All of it, and when and how often that run began.
    pub(super) fn printed(&self, id: ExecutionId) -> Option<(Logs, Timestamp, u32)> {
        let mut all = self.inner.printing.lock().unwrap();
        let printing = all.get_mut(&id)?;
        if !printing.logs.stdout.ends_with("printed\n") {
            printing.logs.stdout.push_str("printed\n");
        }
        Some((printing.logs.clone(), printing.began, printing.attempt))
    }
}
