-- A version whose import left something that a fork would not have runs in a sandbox of
-- its own each time. Whoever owns it should know.
alter table versions add column single_use text check (single_use in ('threads', 'processes',
    'sigchld', 'user', 'open_files', 'shared_memory', 'files', 'other'));
comment on column versions.single_use is
    'What its import left, so that each execution has a sandbox of its own; null where nothing, or not known';
comment on column versions.code is
    'Sealed: the source text, or where there are several files a NUL and a JSON object of them';
grant update (single_use) on versions to patchbay_worker;
