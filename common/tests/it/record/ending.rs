//! First final state wins, and every row counts once.

use std::time::Duration;

use common::db::executions::{self, Filter};
use common::db::recovering;
use common::execution::FinalState;
use common::ids::ExecutionId;
use common::record::{Accept, AcceptBatcher, Committed, Outbox, Recorder};
use common::testing::{Role, wait_until};
use tokio_util::sync::CancellationToken;

use super::given::{Record, outcome};

const BOUND: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_outcome_becomes_a_row_is_charged_and_its_event_goes() {
    let record = Record::fresh().await;
    let ended = record.ended(None).await;
    let id = ended.id;
    assert!(record.outbox.end(ended));
    let report = record.recorder.run_once().await.unwrap();
    assert_eq!((report.recorded, report.inserted, report.ended), (1, 1, 1));
    let row = record.row(id).await.unwrap();
    assert_eq!(row.state, "succeeded");
    assert_eq!(row.output.as_deref(), Some(b"sealed output".as_slice()));
    assert_eq!(row.input.as_deref(), Some(b"sealed input".as_slice()));
    assert_eq!(row.version_number, Some(1));
    assert_eq!(record.charged().await, 1);
    assert_eq!(record.events().await, 0);
    let owner = record.owner().await;
    let place = owner
        .query_one(
            "select ctid::text from executions where id = $1",
            &[&id.uuid()],
        )
        .await
        .unwrap();
    assert_eq!(place.get::<_, &str>(0), "(0,1)", "it is written once");
}

#[tokio::test]
async fn what_was_used_reads_back_from_a_row_that_was_open_and_from_one_that_was_not() {
    let record = Record::fresh().await;
    let (one, other) = (record.ended(None).await, record.ended(None).await);
    let mut api = record.database.connect(Role::Api).client().await.unwrap();
    let inserting = api.transaction().await.unwrap();
    insert(&inserting, &record, other.id).await;
    inserting.commit().await.unwrap();
    for ended in [&one, &other] {
        assert!(record.outbox.end(ended.clone()));
    }
    let report = record.recorder.run_once().await.unwrap();
    assert_eq!((report.inserted, report.ended), (1, 2));
    let account = record.tenant.account;
    let all = Filter::default();
    let page = executions::list(&api, account, &all, 5).await.unwrap();
    let again = recovering::ended(&api, &[one.id, other.id]).await.unwrap();
    assert_eq!((page.len(), again.len()), (2, 2));
    for ended in [&one, &other] {
        let ending = &ended.outcome.ending;
        let found = executions::find(&api, account, ended.id).await.unwrap();
        let listed = page.iter().find(|row| row.id == ended.id).unwrap();
        let recovered = again.iter().find(|(id, _)| *id == ended.id).unwrap();
        for outcome in [
            &found.unwrap().outcome.unwrap(),
            listed.outcome.as_ref().unwrap(),
            &recovered.1,
        ] {
            assert_eq!(outcome.ending, *ending);
        }
    }
}

#[tokio::test]
async fn a_row_is_never_ended_twice_nor_charged_twice() {
    let record = Record::fresh().await;
    let ended = record.ended(None).await;
    let mut other = ended.clone();
    other.outcome = outcome(FinalState::Failed, b"another");
    for one in [ended.clone(), other.clone()] {
        assert!(record.outbox.end(one));
    }
    // Both in one batch, and again in a later one.
    record.recorder.run_once().await.unwrap();
    assert!(record.outbox.end(other));
    let again = record.recorder.run_once().await.unwrap();
    assert_eq!((again.recorded, again.ended, again.inserted), (1, 0, 0));
    let row = record.row(ended.id).await.unwrap();
    assert_eq!(row.state, "succeeded");
    assert_eq!(row.output.as_deref(), Some(b"sealed output".as_slice()));
    assert_eq!(record.charged().await, 1);
}

#[tokio::test]
async fn an_outcome_meets_a_row_that_another_is_just_inserting() {
    let record = Record::fresh().await;
    let ended = record.ended(None).await;
    let id = ended.id;
    let api = record.database.connect(Role::Api);
    let mut client = api.client().await.unwrap();
    // The api's batch has inserted the row and not committed.
    let inserting = client.transaction().await.unwrap();
    insert(&inserting, &record, id).await;
    assert!(record.outbox.end(ended));
    let watching = record.owner().await;
    let commit = async {
        wait_until("the recorder waits for the row", BOUND, async || {
            let row = watching
                .query_one(
                    "select count(*) from pg_stat_activity
                    where datname = current_database() and wait_event_type = 'Lock'",
                    &[],
                )
                .await
                .unwrap();
            match row.get::<_, i64>(0) {
                0 => Err("nobody waits"),
                _ => Ok(()),
            }
        })
        .await;
        inserting.commit().await.unwrap();
    };
    let (report, ()) = tokio::join!(record.recorder.run_once(), commit);
    let report = report.unwrap();
    assert_eq!((report.inserted, report.ended), (0, 1));
    assert_eq!(record.row(id).await.unwrap().state, "succeeded");
    assert_eq!(record.events().await, 0);
}

async fn insert(client: &common::db::Transaction<'_>, record: &Record, id: ExecutionId) {
    let tenant = &record.tenant;
    client
        .execute(
            "insert into executions (id, day, partition, account_id, namespace_id, function_id,
                version_id, state, trigger, plan, once, timeout_ms, memory_mib, created_at)
            values ($1, $2, 0, $3, $4, $5, $6, 'queued', 'rest', 'local', false, 1, 1, now())",
            &[
                &id.uuid(),
                &id.day(),
                &tenant.account.uuid(),
                &tenant.namespace.uuid(),
                &tenant.function.uuid(),
                &tenant.version.uuid(),
            ],
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn batches_of_the_same_rows_in_any_order_do_not_deadlock() {
    let record = Record::fresh().await;
    let mut all = Vec::new();
    for _ in 0..40 {
        all.push(record.ended(None).await);
    }
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let outbox = Outbox::new();
            let links = record.queue.links.clone();
            (
                Recorder::new(record.worker.clone(), links, outbox.clone()),
                outbox,
            )
        })
        .collect();
    for (at, (_, outbox)) in writers.iter().enumerate() {
        let mut order = all.clone();
        order.rotate_left(at * 10);
        if at % 2 == 1 {
            order.reverse();
        }
        for one in order {
            assert!(outbox.end(one));
        }
    }
    let (a, b, c, d) = tokio::join!(
        writers[0].0.run_once(),
        writers[1].0.run_once(),
        writers[2].0.run_once(),
        writers[3].0.run_once(),
    );
    let reports: Vec<_> = [a, b, c, d].into_iter().map(Result::unwrap).collect();
    assert_eq!(reports.iter().map(|one| one.inserted).sum::<u64>(), 40);
    assert_eq!(reports.iter().map(|one| one.ended).sum::<u64>(), 40);
    assert_eq!(record.charged().await, 40);
}

#[tokio::test]
async fn a_row_of_an_asynchronous_request_is_ended_and_charged_once() {
    let record = Record::fresh().await;
    let leased = record.ended(None).await;
    let api = common::db::Database::single(&record.database.url(Role::Api)).unwrap();
    let batcher = AcceptBatcher::new(api);
    let accept = Accept {
        id: leased.id,
        generation: record.generation,
        entry: record.tenant.entry(),
        key: None,
    };
    let stop = CancellationToken::new();
    let committing = async {
        let committed = batcher.permit().unwrap().commit(accept).await.unwrap();
        assert_eq!(committed, Committed::Row);
        stop.cancel();
    };
    tokio::join!(batcher.run(&stop, |_| ()), committing);
    assert_eq!(record.row(leased.id).await.unwrap().state, "queued");
    assert!(record.outbox.end(leased.clone()));
    let report = record.recorder.run_once().await.unwrap();
    assert_eq!((report.inserted, report.ended), (0, 1));
    assert_eq!(record.charged().await, 1);
}

#[tokio::test]
async fn an_unfit_outcome_does_not_keep_others_from_being_recorded() {
    let record = Record::fresh().await;
    let (mut unfit, good) = (record.ended(None).await, record.ended(None).await);
    // No such row may exist: failed without a code.
    unfit.outcome.ending.state = FinalState::Failed;
    assert!(record.outbox.end(unfit.clone()));
    assert!(record.outbox.end(good.clone()));
    let report = record.recorder.run_once().await.unwrap();
    assert_eq!((report.unfit, report.recorded), (1, 1));
    assert_eq!(record.row(unfit.id).await, None);
    assert_eq!(record.row(good.id).await.unwrap().state, "succeeded");
    assert_eq!(record.events().await, 1, "the unfit one's event stays");
    assert!(record.outbox.is_empty());
}

#[tokio::test]
async fn an_id_of_a_day_without_partition_is_recorded_all_the_same() {
    let record = Record::fresh().await;
    let mut ended = record.ended(None).await;
    let old = common::clock::ManualClock::at("2020-02-29T23:59:59.999Z");
    ended.id = ExecutionId::new(&old);
    assert!(record.outbox.end(ended.clone()));
    assert_eq!(record.recorder.run_once().await.unwrap().ended, 1);
    assert_eq!(record.row(ended.id).await.unwrap().state, "succeeded");
}
