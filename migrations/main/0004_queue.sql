-- The queue's side of the record: generations, live processes, the leader.
create table partitions (
    id smallint primary key check (id >= 0),
    tag text not null unique check (tag ~ '^[a-z0-9]{1,16}$'),
    generation bigint not null default 0 check (generation >= 0),
    changed_at timestamptz not null
);
comment on table partitions is 'Shards of the queue';
comment on column partitions.id is 'Also the key of its door, an advisory lock';
comment on column partitions.tag is 'Hash tag of its keys in Redis';
comment on column partitions.generation is 'Only writers of this generation reach a row; goes only upwards';
comment on column partitions.changed_at is 'When the generation last changed';
insert into partitions (id, tag, generation, changed_at) values (0, 'p0', 0, now());

create sequence generations as bigint start 1;
comment on sequence generations is 'Where recoveries take their generation from';

create table processes (
    id uuid primary key,
    kind text not null check (kind in ('api', 'worker', 'scheduler')),
    started_at timestamptz not null,
    heartbeat_at timestamptz not null,
    acked_generation bigint not null default 0 check (acked_generation >= 0)
);
comment on table processes is 'Live processes: whom a recovery waits for';
comment on column processes.id is 'UUIDv7, new at every start';
comment on column processes.kind is 'Which service it is';
comment on column processes.started_at is 'When it started';
comment on column processes.heartbeat_at is 'Moved every second; compared with itself, never with a clock';
comment on column processes.acked_generation is 'Highest generation it has settled for';

create table leadership (
    id smallint primary key check (id = 1),
    term bigint not null check (term >= 0),
    process_id uuid,
    since timestamptz not null
);
comment on table leadership is 'One row: who leads the schedulers. An advisory lock decides, this says which term';
comment on column leadership.id is 'Always 1';
comment on column leadership.term is 'Raised by each new leader; an older one is refused by the queue';
comment on column leadership.process_id is 'The scheduler that took the term';
comment on column leadership.since is 'When it took it';
insert into leadership (id, term, process_id, since) values (1, 0, null, now());

-- The door: nothing of an older generation gets past it. The lock is taken in one
-- statement and the generation read in the next: a volatile function gives each of
-- its statements a snapshot of its own, so a writer that had to wait reads what the
-- recovery committed meanwhile. In one statement it would read the older value.
create function enter_door(wanted smallint, held bigint) returns void
    language plpgsql volatile set search_path = pg_catalog, public, pg_temp as $$
declare
    found_generation bigint;
begin
    perform pg_advisory_xact_lock_shared(7304, wanted);
    select p.generation into found_generation from public.partitions p where p.id = wanted;
    if found_generation is distinct from held then
        raise exception 'generation % is not the present one', held using errcode = 'PB001';
    end if;
end
$$;
comment on function enter_door is 'Keeps the generation from changing until the transaction ends; raises PB001 where it is another';

-- Closes the door to everything older. Only upwards.
create function change_generation(wanted smallint, next bigint, at timestamptz) returns boolean
    language plpgsql volatile set search_path = pg_catalog, public, pg_temp as $$
begin
    perform pg_advisory_xact_lock(7304, wanted);
    update public.partitions set generation = next, changed_at = at
        where id = wanted and generation < next;
    return found;
end
$$;
comment on function change_generation is 'Waits for all writers inside, then raises the generation; false where it is as high already';
revoke all on function enter_door(smallint, bigint), change_generation(smallint, bigint, timestamptz) from public;
