-- Open rows are looked for by (day, id), by recoveries and by those that end them.
-- The partition of the queue in front kept the second from using the index well.
drop index executions_open;
create index executions_open on executions (day, id) where state in ('queued', 'running');
