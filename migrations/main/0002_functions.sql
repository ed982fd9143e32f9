-- Where functions live, and what they are. Deleting marks namespace and function:
-- executions of the last 90 days still say where they ran.
create table namespaces (
    id uuid primary key,
    account_id uuid not null references accounts (id) on delete cascade,
    name text not null check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    description bytea,
    created_at timestamptz not null,
    deleted_at timestamptz
);
comment on table namespaces is 'Where functions live; one MCP endpoint';
comment on column namespaces.id is 'UUIDv7';
comment on column namespaces.account_id is 'Whose it is';
comment on column namespaces.name is 'Unique among all that exist';
comment on column namespaces.description is 'Sealed; null where none was given';
comment on column namespaces.created_at is 'When it was made';
comment on column namespaces.deleted_at is 'When it was deleted; its name is free again since';
create unique index namespaces_by_name on namespaces (name) where deleted_at is null;
create index namespaces_by_account on namespaces (account_id, name);

create table functions (
    id uuid primary key,
    account_id uuid not null references accounts (id) on delete cascade,
    namespace_id uuid not null references namespaces (id) on delete cascade,
    name text not null check (length(name) <= 64
        and name ~ '^[a-z][a-z0-9_]{0,62}(\.[a-z][a-z0-9_]{0,62})?$'),
    current_version_id uuid,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz
);
comment on table functions is 'A name under which versions are published';
comment on column functions.id is 'UUIDv7';
comment on column functions.account_id is 'Whose it is';
comment on column functions.namespace_id is 'Where it lives';
comment on column functions.name is 'Unique in its namespace among those that exist';
comment on column functions.current_version_id is 'What a call without a version runs: the newest ready one';
comment on column functions.created_at is 'When it was first published';
comment on column functions.updated_at is 'When its current version last changed';
comment on column functions.deleted_at is 'When it was deleted; its name is free again since';
create unique index functions_by_name on functions (namespace_id, name) where deleted_at is null;
create index functions_by_account on functions (account_id);
create index functions_deleted on functions (deleted_at) where deleted_at is not null;

create table versions (
    id uuid primary key,
    account_id uuid not null references accounts (id) on delete cascade,
    function_id uuid not null references functions (id) on delete cascade,
    number integer not null check (number >= 1),
    status text not null default 'building' check (status in ('building', 'ready', 'broken')),
    broken_kind text check (broken_kind in ('syntax', 'import', 'build')),
    code bytea not null,
    body_digest bytea not null check (length(body_digest) = 32),
    description bytea,
    input_schema text,
    output_schema text,
    schema_inferred boolean not null default false,
    entry_point text check (entry_point in ('main', 'handler', 'script')),
    tags text[] not null default '{}' check (cardinality(tags) <= 16),
    annotations text,
    timeout_ms integer not null check (timeout_ms >= 1),
    memory_mib integer not null check (memory_mib >= 1),
    concurrency integer check (concurrency >= 1),
    max_attempts integer check (max_attempts between 1 and 10),
    reason bytea,
    import_log bytea,
    build_attempts smallint not null default 0 check (build_attempts >= 0),
    build_owner uuid,
    build_lease_until timestamptz,
    created_at timestamptz not null,
    built_at timestamptz,
    unique (function_id, number),
    check ((status = 'building') = (built_at is null)),
    check ((status = 'broken') <= (broken_kind is not null))
);
comment on table versions is 'Immutable code, schemas and limits of a function';
comment on column versions.id is 'UUIDv7';
comment on column versions.account_id is 'Whose it is';
comment on column versions.function_id is 'The function it is a version of';
comment on column versions.number is 'Counts from 1 in its function';
comment on column versions.status is 'building until a worker has parsed and imported it';
comment on column versions.broken_kind is 'What is wrong: its syntax, its import (the status may still be ready), or its building';
comment on column versions.code is 'Source text, sealed';
comment on column versions.body_digest is 'SHA-256 of the canonical body: an unchanged one is no new version';
comment on column versions.description is 'Sealed; given, or the docstring';
comment on column versions.input_schema is 'JSON Schema as JSON text, given or inferred; null where neither';
comment on column versions.output_schema is 'JSON Schema as JSON text, given or inferred; null where neither';
comment on column versions.schema_inferred is 'The input schema was inferred from the signature';
comment on column versions.entry_point is 'What is called, known once built';
comment on column versions.tags is 'As its owner gave them';
comment on column versions.annotations is 'MCP annotations as JSON text';
comment on column versions.timeout_ms is 'Wall clock of one execution';
comment on column versions.memory_mib is 'Memory of one execution, on top of what the template uses';
comment on column versions.concurrency is 'Executions at once; null is the account''s bound';
comment on column versions.max_attempts is 'Tries of a failing execution; 1 is never started twice; null is no retry of failures';
comment on column versions.reason is 'Why it is broken, JSON text, sealed';
comment on column versions.import_log is 'What its import printed, sealed';
comment on column versions.build_attempts is 'Times a worker took it to build';
comment on column versions.build_owner is 'The process that builds it';
comment on column versions.build_lease_until is 'From then on another may take it';
comment on column versions.created_at is 'When it was published';
comment on column versions.built_at is 'When it stopped building';
create index versions_building on versions (created_at) where status = 'building';
create index versions_by_account on versions (account_id);
