-- Who may enter the keys database: who seals and opens. The scheduler may not.
do $$
begin
    execute format('revoke all on database %I from public', current_database());
    execute format('revoke all on database %I from patchbay_scheduler', current_database());
    execute format('grant connect on database %I to patchbay_api, patchbay_worker', current_database());
end
$$;
revoke create on schema public from public;
