-- What was accepted, and how it ended. One partition per UTC day of the id's own
-- time; `executions_rest` takes what no day was made for, so that an insert never
-- fails for want of one.
create table executions (
    id uuid not null,
    day date not null,
    partition smallint not null,
    account_id uuid not null,
    namespace_id uuid not null,
    function_id uuid not null,
    version_id uuid not null,
    version_number integer,
    state text not null
        check (state in ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'timed_out')),
    trigger text not null check (trigger in ('rest', 'mcp', 'code', 'schedule', 'webhook', 'retry')),
    plan text not null check (plan in ('free', 'builder', 'pro', 'enterprise', 'local')),
    once boolean not null,
    timeout_ms integer not null,
    memory_mib integer not null,
    attempt integer not null default 0 check (attempt >= 0),
    tried integer not null default 0 check (tried >= 0),
    losses integer not null default 0 check (losses >= 0),
    cancel_requested boolean not null default false,
    due_at timestamptz,
    key_hash bytea check (length(key_hash) = 32),
    error_code text check (error_code in ('exception', 'exit', 'timeout', 'out_of_memory',
        'too_many_processes', 'disk_full', 'output_too_large', 'result_not_serializable',
        'killed', 'import_error', 'worker_lost', 'cancelled')),
    input bytea,
    output bytea,
    error bytea,
    logs bytea,
    duration_us bigint,
    cpu_us bigint,
    memory_peak_bytes bigint,
    created_at timestamptz not null,
    started_at timestamptz,
    finished_at timestamptz,
    erased_at timestamptz,
    primary key (day, id),
    check ((state in ('queued', 'running')) = (finished_at is null)),
    check ((state in ('failed', 'cancelled', 'timed_out')) = (error_code is not null)),
    check (erased_at is null or (input is null and output is null and error is null and logs is null))
) partition by range (day);
comment on table executions is 'Accepted requests to run a version; kept 90 days';
comment on column executions.id is 'UUIDv7 made by the api that was asked';
comment on column executions.day is 'UTC day of the id''s own time, computed from it by every writer';
comment on column executions.partition is 'Partition of the queue it lives in';
comment on column executions.account_id is 'Whose it is; no foreign key, so that a batch never waits for an account';
comment on column executions.namespace_id is 'Where its function lives';
comment on column executions.function_id is 'The function that was asked for';
comment on column executions.version_id is 'The version that runs';
comment on column executions.version_number is 'Its number, which outlives the version; null where it was gone already';
comment on column executions.state is 'The last four are final';
comment on column executions.trigger is 'What asked for it';
comment on column executions.plan is 'The plan it was accepted under: its bounds hold';
comment on column executions.once is 'Never started twice';
comment on column executions.timeout_ms is 'Wall clock it was granted';
comment on column executions.memory_mib is 'Memory it was granted';
comment on column executions.attempt is 'Which try is running or ran last, from 1; 0 before the first';
comment on column executions.tried is 'Tries that failed and were followed by another';
comment on column executions.losses is 'Workers lost while it ran';
comment on column executions.cancel_requested is 'From then on it ends cancelled or has ended';
comment on column executions.due_at is 'Not before, where a try failed and another follows';
comment on column executions.key_hash is 'SHA-256 of the idempotency key it came with';
comment on column executions.error_code is 'Why it did not succeed';
comment on column executions.input is 'JSON text, sealed; null where it is unknown or erased';
comment on column executions.output is 'JSON text, sealed; there where it succeeded and is not erased';
comment on column executions.error is 'JSON text of the failure, sealed';
comment on column executions.logs is 'JSON text of what was printed, sealed; null where nothing was';
comment on column executions.duration_us is 'Wall clock of the user''s code';
comment on column executions.cpu_us is 'CPU time of the user''s code';
comment on column executions.memory_peak_bytes is 'Most memory used at once';
comment on column executions.created_at is 'The id''s own time';
comment on column executions.started_at is 'When the last try began';
comment on column executions.finished_at is 'When it ended';
comment on column executions.erased_at is 'When its texts were erased; the row still counts';
create index executions_by_account on executions (account_id, created_at desc, id desc);
create index executions_by_namespace on executions (namespace_id, created_at desc, id desc);
create index executions_open on executions (partition, day, id) where state in ('queued', 'running');
create table executions_rest partition of executions default;

create table idempotency_keys (
    account_id uuid not null,
    key_hash bytea not null check (length(key_hash) = 32),
    execution_id uuid not null,
    day date not null,
    body_digest bytea not null check (length(body_digest) = 32),
    expires_at timestamptz not null,
    primary key (account_id, key_hash)
);
comment on table idempotency_keys is 'Which execution a key stands for; not partitioned, or midnight would let a key through';
comment on column idempotency_keys.account_id is 'Whose key it is';
comment on column idempotency_keys.key_hash is 'SHA-256 of the key';
comment on column idempotency_keys.execution_id is 'The execution it stands for';
comment on column idempotency_keys.day is 'The day of that execution';
comment on column idempotency_keys.body_digest is 'SHA-256 of namespace, function, version as asked and input';
comment on column idempotency_keys.expires_at is 'From then on the key is free again';
create index idempotency_keys_by_expiry on idempotency_keys (expires_at);

create table usage_daily (
    account_id uuid not null,
    day date not null,
    accepted bigint not null check (accepted >= 0),
    primary key (account_id, day)
);
comment on table usage_daily is 'Executions charged, by the UTC day of their ids';
comment on column usage_daily.account_id is 'Who is charged';
comment on column usage_daily.day is 'UTC day';
comment on column usage_daily.accepted is 'Rows really inserted; raised in the transaction that inserts them';
create index usage_daily_by_day on usage_daily (day);

-- Makes the partition of one day, and moves into it what waited in the rest.
-- It is filled before it is attached: attaching takes a lock that lets others
-- read and write the table, `create … partition of` does not.
create function make_execution_day(wanted date) returns boolean
    language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    name text := 'executions_' || to_char(wanted, 'YYYYMMDD');
begin
    perform pg_advisory_xact_lock(7305, 1);
    if to_regclass(format('public.%I', name)) is not null then
        return false;
    end if;
    execute format('create table public.%I (like public.executions including all)', name);
    lock table public.executions_rest in access exclusive mode;
    execute format('with moved as (delete from public.executions_rest where day = $1 returning *)'
        ' insert into public.%I select * from moved', name) using wanted;
    execute format('alter table public.executions attach partition public.%I for values from (%L) to (%L)',
        name, wanted, wanted + 1);
    return true;
end
$$;
comment on function make_execution_day is 'Makes the partition of a UTC day; false where it exists';

-- Drops every day partition before the given day. Runs as its owner, so that the
-- scheduler needs no right to drop anything else.
create function drop_execution_days(before date) returns integer
    language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    gone text;
    dropped integer := 0;
begin
    perform pg_advisory_xact_lock(7305, 1);
    for gone in
        select c.relname from pg_inherits i
        join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'public.executions'::regclass
            and c.relname ~ '^executions_[0-9]{8}$'
            and to_date(substr(c.relname, 12), 'YYYYMMDD') < before
        order by c.relname
    loop
        execute format('drop table public.%I', gone);
        dropped := dropped + 1;
    end loop;
    delete from public.executions_rest where day < before;
    return dropped;
end
$$;
comment on function drop_execution_days is 'Drops the partitions of all days before the given one; how many they were';
revoke all on function make_execution_day(date), drop_execution_days(date) from public;
