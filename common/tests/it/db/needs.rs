//! No service has a right on the databases that none of its statements needs.
//!
//! Which service runs which statement is written down in [`SERVICES`], and tried both
//! ways: its role may run each of them, and each right that PostgreSQL says the role has,
//! column by column, is taken away once, whereupon one of them must be refused. What a
//! list names in vain would hide a right that nobody uses; so a statement that a service
//! no longer runs is to be struck here as well. A new one has to be put into a list.

use std::collections::BTreeMap;

use common::db::Client;
use common::db::statement::{self, Statement};
use common::testing::{self, Role};

/// Statements through which every service writes what was accepted and how it ended.
const RECORD: &[&str] = &[
    "recording::DOOR",
    "recording::INSERT",
    "recording::LOCK",
    "recording::NOTE",
    "recording::END",
    "recording::KEYS",
    "recording::OWNERS",
    "processes::BEAT",
    "processes::LEAVE",
];

const API: &[&str] = &[
    "accounts::CREATE",
    "accounts::FIND",
    "accounts::LOCK",
    // Of logins that last, for which there is no route yet.
    "refresh_tokens::CREATE",
    "refresh_tokens::FIND",
    "refresh_tokens::REVOKE_FAMILY",
    "refresh_tokens::REVOKE_ALL",
    "api_keys::COUNT",
    "api_keys::FOREIGN",
    "api_keys::CREATE",
    "api_keys::PRESENTED",
    "api_keys::FIND",
    "api_keys::LIST",
    "api_keys::REVOKE",
    "api_keys::USED",
    "executions::FIND",
    "executions::INPUT",
    "executions::LIST",
    "executions::ERASE",
    "executions::THERE",
    "functions::FIND",
    "functions::LIST",
    "functions::COUNT",
    "functions::DELETE",
    "idempotency::FIND",
    "namespaces::COUNT",
    "namespaces::CREATE",
    "namespaces::FIND",
    "namespaces::LIST",
    "namespaces::DESCRIBE",
    "namespaces::DELETE",
    "namespaces::DELETE_SECRETS",
    "namespaces::DELETE_FUNCTIONS",
    "publish::NAMESPACE",
    "publish::FUNCTION",
    "publish::NEWEST",
    "publish::CREATE_FUNCTION",
    "publish::CREATE_VERSION",
    "publish::WITHDRAW",
    "publish::WITHDRAW_FUNCTION",
    "recording::ASK_CANCEL",
    "secrets::LOCK",
    "secrets::OTHERS",
    "secrets::SET",
    "secrets::FIND",
    "secrets::LIST",
    "secrets::NAMES",
    "secrets::DELETE",
    "users::CREATE",
    "users::JOIN",
    "users::LOGIN",
    "users::FIND",
    "versions::FIND",
    "versions::LIVE",
    "versions::BY_NUMBER",
    "versions::RUNNABLE",
    "versions::CODE",
    "versions::LOCK",
    "versions::IMPORT_LOG",
    "versions::LIST",
    "versions::RESOLVE",
];

const WORKER: &[&str] = &[
    "builds::CLAIM",
    "builds::RENEW",
    "builds::RELEASE",
    "builds::KEEP_LOCK",
    "builds::FINISH",
    "builds::MAKE_CURRENT",
    "recording::ONCE",
    "recording::CANCEL_ASKED",
    "secrets::SEALED",
    "versions::RUNNABLE",
    "versions::LOCK",
];

const SCHEDULER: &[&str] = &[
    "days::MAKE",
    "days::DROP",
    "days::TIME",
    "leader::LOCK",
    "leader::LIVELY",
    "leader::TERM",
    "leader::HELD",
    "partitions::GENERATION",
    "partitions::NEXT",
    "partitions::CHANGE",
    "processes::LIST",
    "processes::REMOVE",
    "recovering::OPEN",
    "recovering::FINAL",
    "recovering::WITH_ROW",
    "retention::KEYS",
    "retention::TOKENS",
    "retention::API_KEYS",
    "retention::USAGE",
    "retention::VERSIONS",
    "retention::FUNCTIONS",
    "retention::LOCKS",
    "retention::NAMESPACES",
    "usage::SINCE",
    "usage::PERIODS",
];

/// By the owner: `ops/up`, an operator, tests.
const OWNER: &[&str] = &[
    "accounts::RENAME",
    "accounts::SET_PLAN",
    "accounts::SET_STATUS",
    "data_keys::REWRAP",
    "data_keys::WRAPPED_BY_OTHERS",
    "users::VERIFY",
];

const SERVICES: [(Role, &[&str]); 3] = [
    (Role::Api, API),
    (Role::Worker, WORKER),
    (Role::Scheduler, SCHEDULER),
];

/// On the database of keys.
const KEYS: [(Role, &[&str]); 3] = [
    (Role::Api, &["data_keys::CREATE", "data_keys::FIND"]),
    (Role::Worker, &["data_keys::FIND"]),
    (Role::Scheduler, &[]),
];

/// The rights that a role has: on a column, or on a whole table, sequence or function.
const RIGHTS: &str = "
    select c.oid::regclass::text as thing, p.p as privilege, a.attname::text as attribute
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped,
        unnest(array['select', 'insert', 'update', 'references']) p
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and has_column_privilege($1, c.oid, a.attnum, p)
    union all
    select c.oid::regclass::text, p, null
    from pg_class c, unnest(array['delete', 'truncate', 'trigger']) p
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and has_table_privilege($1, c.oid, p)
    union all
    select 'sequence ' || c.oid::regclass::text, p, null
    from pg_class c, unnest(array['usage', 'select', 'update']) p
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'S'
        and has_sequence_privilege($1, c.oid, p)
    union all
    select 'function ' || f.oid::regprocedure::text, 'execute', null
    from pg_proc f
    where f.pronamespace = 'public'::regnamespace and has_function_privilege($1, f.oid, 'execute')
    order by 1, 2, 3";

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    thing: String,
    privilege: String,
    column: Option<String>,
}

async fn rights(owner: &Client, role: Role) -> Vec<Right> {
    let rows = owner.query(RIGHTS, &[&role.as_str()]).await.unwrap();
    rows.iter()
        .map(|row| Right {
            thing: row.get(0),
            privilege: row.get(1),
            column: row.get(2),
        })
        .collect()
}

impl Right {
    /// SQL that takes it from a role and leaves all others.
    fn taken(&self, role: Role, all: &[Self]) -> String {
        let (role, privilege, thing) = (role.as_str(), &self.privilege, &self.thing);
        let mut sql = format!("revoke {privilege} on {thing} from {role};");
        let columns: Vec<_> = all
            .iter()
            .filter(|other| other.thing == *thing && other.privilege == *privilege)
            .filter(|other| other.column != self.column)
            .filter_map(|other| other.column.as_deref())
            .collect();
        if !columns.is_empty() {
            let columns = columns.join(", ");
            sql += &format!("grant {privilege} ({columns}) on {thing} to {role};");
        }
        sql
    }

    /// Whether a statement can need it: it names the thing.
    fn concerns(&self, sql: &str) -> bool {
        let name = self
            .thing
            .trim_start_matches("sequence ")
            .trim_start_matches("function ");
        sql.contains(name.split('(').next().unwrap())
    }
}

/// A statement, prepared on the owner's connection.
struct Ready {
    name: String,
    /// Its text, and that of the functions it calls.
    sql: String,
    run: String,
}

async fn ready(owner: &Client, statements: &[Statement]) -> BTreeMap<String, Ready> {
    let functions =
        "select proname::text, prosrc from pg_proc where pronamespace = 'public'::regnamespace";
    let functions = owner.query(functions, &[]).await.unwrap();
    let mut all = BTreeMap::new();
    for (at, Statement { name, sql }) in statements.iter().enumerate() {
        owner
            .batch_execute(&format!("prepare needs_{at} as {sql}"))
            .await
            .unwrap();
        let takes = owner.prepare(sql).await.unwrap().params().len();
        let nulls = match takes {
            0 => String::new(),
            _ => format!("({})", vec!["null"; takes].join(", ")),
        };
        let name = name.trim_start_matches("common::db::").to_owned();
        let bodies = functions.iter().filter_map(|row| {
            let called: &str = row.get(0);
            sql.contains(&format!("{called}("))
                .then(|| row.get::<_, &str>(1))
        });
        let ready = Ready {
            name: name.clone(),
            sql: bodies.fold((*sql).to_owned(), |all, body| all + body),
            run: format!("execute needs_{at} {nulls}"),
        };
        all.insert(name, ready);
    }
    all
}

/// Whether PostgreSQL lets the role run it. Inside a transaction that is undone.
async fn is_refused(owner: &Client, role: Role, ready: &Ready) -> bool {
    let sql = format!(
        "savepoint before; set local role {}; {}",
        role.as_str(),
        ready.run
    );
    let answer = owner.batch_execute(&sql).await;
    owner.batch_execute("rollback to before").await.unwrap();
    match answer {
        Ok(()) => false,
        // Nothing is a value for none of them: what a table or a door says to that comes
        // after what the rights say.
        Err(error) => match error.code().map(tokio_postgres::error::SqlState::code) {
            Some("42501") => true,
            Some(code)
                if code.starts_with("23") || code.starts_with("22") || code.starts_with("PB") =>
            {
                false
            }
            other => panic!("{}: {other:?} {error:?}", ready.name),
        },
    }
}

/// What is wrong with a role's rights: statements it may not run, and rights it has in vain.
async fn faults(owner: &Client, role: Role, its: &[&Ready]) -> Vec<String> {
    let mut faults = Vec::new();
    owner.batch_execute("begin").await.unwrap();
    for ready in its {
        if is_refused(owner, role, ready).await {
            faults.push(format!("{role:?} may not run {}", ready.name));
        }
    }
    let rights = rights(owner, role).await;
    for right in &rights {
        let taken = format!("savepoint whole; {}", right.taken(role, &rights));
        owner.batch_execute(&taken).await.unwrap();
        let mut is_needed = false;
        for ready in its.iter().filter(|ready| right.concerns(&ready.sql)) {
            is_needed = is_needed || is_refused(owner, role, ready).await;
        }
        owner.batch_execute("rollback to whole").await.unwrap();
        if !is_needed {
            faults.push(format!("{role:?} has in vain: {right:?}"));
        }
    }
    owner.batch_execute("rollback").await.unwrap();
    faults
}

#[tokio::test]
async fn each_right_of_a_role_is_needed_by_a_statement_of_its_service() {
    let database = testing::database().await;
    let main = database.connect(Role::Owner).client().await.unwrap();
    let keys = database.connect_keys(Role::Owner).client().await.unwrap();
    let mut found = Vec::new();
    for (owner, statements, services, shared) in [
        (&main, statement::main(), SERVICES, RECORD),
        (&keys, statement::keys(), KEYS, &[]),
    ] {
        let generic = "set plan_cache_mode = force_generic_plan";
        owner.batch_execute(generic).await.unwrap();
        let all = ready(owner, &statements).await;
        for (role, names) in services {
            let its: Vec<_> = names.iter().chain(shared).map(|name| &all[*name]).collect();
            found.extend(faults(owner, role, &its).await);
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn each_statement_is_somebody_s() {
    let lists = SERVICES.iter().chain(&KEYS).map(|(_, names)| *names);
    let listed: Vec<&str> = lists.chain([RECORD, OWNER]).flatten().copied().collect();
    let all = statement::main().into_iter().chain(statement::keys());
    let nobodys: Vec<_> = all
        .map(|statement| statement.name.trim_start_matches("common::db::"))
        .filter(|name| !listed.contains(name))
        .collect();
    assert_eq!(nobodys, Vec::<&str>::new());
}

#[tokio::test]
async fn no_role_is_more_than_what_it_was_granted() {
    let database = testing::database().await;
    let owner = database.connect(Role::Owner).client().await.unwrap();
    let sql = "select rolname::text from pg_roles r
        where rolname in ('patchbay_api', 'patchbay_worker', 'patchbay_scheduler')
            and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls
                or exists (select from pg_auth_members m where m.member = r.oid)
                or has_schema_privilege(oid, 'public', 'create')
                or has_database_privilege(oid, current_database(), 'create, temporary'))";
    let more: Vec<String> = owner
        .query(sql, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(more, Vec::<String>::new());
}
