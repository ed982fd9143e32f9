-- Hosts a version names, which its executions may connect to, and what they moved there.
alter table versions
    add column network_allow text[] not null default '{}',
    add check (cardinality(network_allow) <= 256);
comment on column versions.network_allow is
    'Hosts its executions may connect to, each with its port unless that is 443; sorted';

alter table executions
    add column network_in_bytes bigint,
    add column network_out_bytes bigint;
comment on column executions.network_in_bytes is
    'Bytes that came from the named hosts; null where nothing ran';
comment on column executions.network_out_bytes is
    'Bytes that went to the named hosts; null where nothing ran';
