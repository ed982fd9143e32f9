-- Values that a namespace's functions find in `os.environ`: write-only, sealed. A version
-- gets only those it declares; values of one call travel with its execution.
create table secrets (
    id uuid primary key,
    account_id uuid not null references accounts (id) on delete cascade,
    namespace_id uuid not null references namespaces (id) on delete cascade,
    name text not null check (name ~ '^[A-Z][A-Z0-9_]{0,127}$'),
    value bytea not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    unique (namespace_id, name)
);
comment on table secrets is 'Environment values of a namespace, which nobody can read back';
comment on column secrets.id is 'UUIDv7, anew with each value, which is sealed under it';
comment on column secrets.account_id is 'Whose it is';
comment on column secrets.namespace_id is 'Whose functions may declare it';
comment on column secrets.name is 'As in os.environ; unique in its namespace';
comment on column secrets.value is 'Sealed';
comment on column secrets.created_at is 'When the name was first set';
comment on column secrets.updated_at is 'When the value was last set';
create index secrets_by_account on secrets (account_id);

-- Whoever caches a namespace's secrets forgets them all.
create function announce_secrets() returns trigger
    language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
    perform pg_notify('patchbay', 'secrets:' || coalesce(new.namespace_id, old.namespace_id));
    return null;
end
$$;
comment on function announce_secrets is 'Trigger: tells who listens that a namespace has other secrets';
revoke all on function announce_secrets() from public;
create trigger announce after insert or update or delete on secrets
    for each row execute function announce_secrets();

alter table versions
    add column env_required text[] not null default '{}',
    add column env_optional text[] not null default '{}',
    add column import_env text[] not null default '{}',
    add check (cardinality(env_required) + cardinality(env_optional) <= 64);
comment on column versions.env_required is 'Names of environment values without which no call is taken';
comment on column versions.env_optional is 'Names of environment values a call may have';
comment on column versions.import_env is
    'Those its import reads, so that its sandboxes serve calls with the same values only';

alter table executions add column env bytea;

-- Whoever ends a row, a process of the release before this one as well.
create function forget_env() returns trigger
    language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
    new.env := null;
    return new;
end
$$;
comment on function forget_env is 'Trigger: no environment value stays in a row that has ended';
revoke all on function forget_env() from public;
create trigger forget_env before update on executions
    for each row when (new.finished_at is not null and new.env is not null)
    execute function forget_env();
comment on column executions.env is
    'Environment values of this call, a JSON object, sealed; only while it is open';

grant select, insert, update, delete on secrets to patchbay_api;
grant select (id, account_id, namespace_id, name, value) on secrets to patchbay_worker;
grant update (import_env) on versions to patchbay_worker;
