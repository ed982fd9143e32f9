-- Packages of a version: what was asked for, and the list with hashes it was resolved to
-- once. Equal lists share a row, and on each worker's host a layer of installed files.
create table locks (
    digest bytea primary key check (length(digest) = 32),
    text text not null check (length(text) <= 2097152),
    created_at timestamptz not null
);
comment on table locks is 'Resolved package lists; nobody''s personal data';
comment on column locks.digest is 'SHA-256 of the format, the interpreter and the text';
comment on column locks.text is 'pip''s format: each package with its version and the hashes of its wheels';
comment on column locks.created_at is 'When it was first resolved';

alter table versions add column requirements text[] not null default '{}';
alter table versions add column lock_digest bytea references locks (digest);
alter table versions drop constraint versions_broken_kind_check;
alter table versions add constraint versions_broken_kind_check
    check (broken_kind in ('syntax', 'packages', 'import', 'build'));
comment on column versions.requirements is 'Packages as asked for, PEP 508, normalised and sorted';
comment on column versions.lock_digest is 'What they were resolved to; null before, or where there are none';
create index versions_by_lock on versions (lock_digest) where lock_digest is not null;

grant select on locks to patchbay_api, patchbay_worker;
grant insert on locks to patchbay_worker;
grant update (lock_digest) on versions to patchbay_worker;
grant select (digest, created_at), delete on locks to patchbay_scheduler;
grant select (lock_digest) on versions to patchbay_scheduler;
