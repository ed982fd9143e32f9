//! Reading executions, page by page, and erasing one.

use std::collections::HashSet;

use common::clock::{Clock as _, ManualClock, SystemClock};
use common::db::executions::{self, Erased, Filter};
use common::db::{Client, recovering};
use common::execution::{State, Trigger};
use common::ids::{AccountId, ExecutionId, NamespaceId};
use common::testing::given::{self, Tenant};
use common::testing::{self, Role, TestDatabase};

async fn insert(owner: &Client, tenant: &Tenant, id: ExecutionId, state: &str) {
    let sql = "insert into executions (id, day, partition, account_id, namespace_id, function_id,
            version_id, version_number, state, trigger, plan, once, timeout_ms, memory_mib,
            input, output, error, logs, error_code, created_at, finished_at)
        select $1, $2, 0, $3, $4, $5, $6, 1, $7, 'mcp', 'local', false, 10, 20,
            'in', case when $7 = 'succeeded' then 'out'::bytea end,
            case when $7 = 'failed' then 'err'::bytea end, 'logs',
            case when $7 = 'failed' then 'exception' end, $8::timestamptz,
            case when $7 in ('succeeded', 'failed') then $8::timestamptz end";
    let values: &[&(dyn tokio_postgres::types::ToSql + Sync)] = &[
        &id.uuid(),
        &id.day(),
        &tenant.account.uuid(),
        &tenant.namespace.uuid(),
        &tenant.function.uuid(),
        &tenant.version.uuid(),
        &state,
        &id.at(),
    ];
    owner.execute(sql, values).await.unwrap();
}

struct Given {
    database: TestDatabase,
    tenant: Tenant,
    owner: Client,
    api: Client,
}

impl Given {
    async fn new() -> Self {
        let database = testing::database().await;
        let tenant = given::tenant(&database).await;
        let owner = database.connect(Role::Owner).client().await.unwrap();
        let api = database.connect(Role::Api).client().await.unwrap();
        Self {
            database,
            tenant,
            owner,
            api,
        }
    }

    async fn execution(&self, at: &str, state: &str) -> ExecutionId {
        let id = ExecutionId::new(&ManualClock::at(at));
        insert(&self.owner, &self.tenant, id, state).await;
        id
    }

    async fn ids(&self, account: AccountId, filter: &Filter<'_>, most: u32) -> Vec<ExecutionId> {
        let page = executions::list(&self.api, account, filter, most).await;
        page.unwrap().into_iter().map(|one| one.id).collect()
    }
}

#[tokio::test]
async fn each_of_thirty_made_in_one_instant_and_across_midnight_comes_exactly_once() {
    let given = Given::new().await;
    let mut made = HashSet::new();
    for _ in 0..28 {
        made.insert(given.execution("2026-03-01T23:59:59.999Z", "queued").await);
    }
    made.insert(given.execution("2026-03-02T00:00:00Z", "queued").await);
    made.insert(given.execution("2026-02-28T00:00:00Z", "queued").await);
    let mut seen = Vec::new();
    let mut filter = Filter::default();
    loop {
        let page = given.ids(given.tenant.account, &filter, 7).await;
        let Some(last) = page.last() else { break };
        filter.before = Some((last.at(), *last));
        seen.extend(page);
    }
    assert_eq!(seen.len(), 30);
    assert_eq!(seen.iter().copied().collect::<HashSet<_>>(), made);
    let order: Vec<_> = seen.iter().map(|id| (id.at(), *id)).collect();
    assert!(order.is_sorted_by(|a, b| a > b), "newest first");
}

#[tokio::test]
async fn a_list_is_filtered_by_time_state_function_and_namespaces() {
    let given = Given::new().await;
    let early = given.execution("2026-03-01T00:00:00Z", "succeeded").await;
    let late = given.execution("2026-03-01T12:00:00Z", "failed").await;
    let me = given.tenant.account;
    let at = "2026-03-01T12:00:00Z".parse().ok();
    let tries: &[(Filter<'_>, &[ExecutionId])] = &[
        (Filter::default(), &[late, early]),
        (
            Filter {
                since: at,
                ..Filter::default()
            },
            &[late],
        ),
        (
            Filter {
                until: at,
                ..Filter::default()
            },
            &[early],
        ),
        (
            Filter {
                state: Some(State::Failed),
                ..Filter::default()
            },
            &[late],
        ),
        (
            Filter {
                state: Some(State::Running),
                ..Filter::default()
            },
            &[],
        ),
        (
            Filter {
                function: Some(given.tenant.function),
                ..Filter::default()
            },
            &[late, early],
        ),
        (
            Filter {
                namespaces: Some(&[]),
                ..Filter::default()
            },
            &[],
        ),
        (
            Filter {
                namespaces: Some(&[given.tenant.namespace]),
                ..Filter::default()
            },
            &[late, early],
        ),
        (
            Filter {
                namespaces: Some(&[NamespaceId::new(&SystemClock)]),
                ..Filter::default()
            },
            &[],
        ),
    ];
    for (filter, expected) in tries {
        assert_eq!(given.ids(me, filter, 50).await, *expected, "{filter:?}");
    }
    let (stranger, _) = given::account(&given.database).await;
    assert!(given.ids(stranger, &Filter::default(), 50).await.is_empty());
}

#[tokio::test]
async fn an_execution_is_read_whole_by_its_own_account_only() {
    let given = Given::new().await;
    let id = given
        .execution("2026-03-01T12:00:00.123Z", "succeeded")
        .await;
    let account = given.tenant.account;
    let found = executions::find(&given.api, account, id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.function_name.as_deref(), Some("add_one"));
    assert_eq!(
        found.namespace_name.as_deref(),
        Some(given.tenant.namespace_name.as_str())
    );
    assert_eq!(
        (found.version_number, found.trigger),
        (Some(1), Trigger::Mcp)
    );
    assert_eq!(found.created_at, id.at());
    let outcome = found.outcome.unwrap();
    assert_eq!(outcome.output.as_deref(), Some(b"out".as_slice()));
    assert_eq!(outcome.logs.as_deref(), Some(b"logs".as_slice()));
    let input = executions::input(&given.api, account, id).await.unwrap();
    assert_eq!(input, Some(Some(b"in".to_vec())));
    let (stranger, _) = given::account(&given.database).await;
    assert_eq!(
        executions::find(&given.api, stranger, id).await.unwrap(),
        None
    );
    assert_eq!(
        executions::input(&given.api, stranger, id).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn erasing_takes_every_text_and_leaves_the_row() {
    let given = Given::new().await;
    let (account, now) = (given.tenant.account, SystemClock.now());
    let open = given.execution("2026-03-01T12:00:00Z", "queued").await;
    let done = given.execution("2026-03-01T12:00:01Z", "failed").await;
    let erase = async |account, id| {
        executions::erase(&given.api, account, id, now)
            .await
            .unwrap()
    };
    assert_eq!(erase(account, open).await, Erased::NotFinished);
    let (stranger, _) = given::account(&given.database).await;
    assert_eq!(erase(stranger, done).await, Erased::Unknown);
    assert_eq!(erase(account, done).await, Erased::Done);
    assert_eq!(erase(account, done).await, Erased::Done, "twice is once");
    let found = executions::find(&given.api, account, done)
        .await
        .unwrap()
        .unwrap();
    assert!(found.erased_at.is_some());
    let outcome = found.outcome.unwrap();
    assert_eq!(
        (outcome.output, outcome.error, outcome.logs),
        (None, None, None)
    );
    let input = executions::input(&given.api, account, done).await.unwrap();
    assert_eq!(input, Some(None));
    assert_eq!(given.ids(account, &Filter::default(), 10).await.len(), 2);
}

#[tokio::test]
async fn a_recovery_reads_every_open_row_once_with_all_that_running_it_takes() {
    let given = Given::new().await;
    let mut open = HashSet::new();
    for at in [
        "2026-03-01T23:59:59.999Z",
        "2026-03-02T00:00:00Z",
        "2026-03-02T00:00:00Z",
    ] {
        open.insert(given.execution(at, "queued").await);
    }
    open.insert(given.execution("2026-03-01T00:00:00Z", "running").await);
    let done = given.execution("2026-03-01T01:00:00Z", "succeeded").await;
    let client = given
        .database
        .connect(Role::Scheduler)
        .client()
        .await
        .unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = recovering::open(&client, 0, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page);
    }
    assert_eq!(seen.len(), 4);
    assert_eq!(seen.iter().map(|row| row.id).collect::<HashSet<_>>(), open);
    let entry = &seen[0].entry;
    assert_eq!(entry.version, given.tenant.version);
    assert_eq!(
        (entry.input.as_slice(), entry.timeout_ms),
        (b"in".as_slice(), 10)
    );
    assert_eq!((seen[0].attempts, seen[0].key), (1, None));
    let all: Vec<_> = open.iter().copied().chain([done]).collect();
    let ended = recovering::ended(&client, &all).await.unwrap();
    assert_eq!(ended.iter().map(|one| one.0).collect::<Vec<_>>(), [done]);
    let unknown = ExecutionId::new(&SystemClock);
    let with_row = recovering::with_row(&client, &[done, unknown])
        .await
        .unwrap();
    assert_eq!(with_row, [done]);
}
