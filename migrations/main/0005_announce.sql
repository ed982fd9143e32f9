-- Every change that a cache may hold is announced in the transaction that makes
-- it: channel `patchbay`, payload `<noun>:<uuid>`. Triggers, so that none is forgotten.
create function announce() returns trigger
    language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
    perform pg_notify('patchbay', tg_argv[0] || ':' || coalesce(new.id, old.id));
    return null;
end
$$;
comment on function announce is 'Trigger: tells who listens that a row of the given noun changed';
revoke all on function announce() from public;

create trigger announce after update or delete on accounts
    for each row execute function announce('account');
create trigger announce_gone after delete on api_keys
    for each row execute function announce('api_key');
create trigger announce_change
    after update of scopes, namespaces, expires_at, revoked_at, secret_hash on api_keys
    for each row execute function announce('api_key');
create trigger announce after insert or update or delete on namespaces
    for each row execute function announce('namespace');
create trigger announce after insert or update or delete on functions
    for each row execute function announce('function');
create trigger announce_gone after delete on versions
    for each row execute function announce('version');
create trigger announce_change after update of status on versions
    for each row when (old.status is distinct from new.status)
    execute function announce('version');
create trigger announce_build after insert on versions
    for each row when (new.status = 'building') execute function announce('build');
