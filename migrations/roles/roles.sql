-- The services' roles, made where they are absent. They have no password here:
-- whoever runs the cluster sets one, or trusts a private socket.
do $$
declare
    wanted text;
begin
    foreach wanted in array array['patchbay_api', 'patchbay_worker', 'patchbay_scheduler'] loop
        begin
            if not exists (select from pg_roles where rolname = wanted) then
                execute format('create role %I login', wanted);
            end if;
        exception when duplicate_object or unique_violation then
            null; -- another migration made it at this moment
        end;
    end loop;
end
$$;
