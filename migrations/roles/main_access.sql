-- Who may enter the main database. Kept apart from the numbered files because a
-- database made from a template doesn't inherit it: repeated at every run.
do $$
begin
    execute format('revoke all on database %I from public', current_database());
    execute format('grant connect on database %I to patchbay_api, patchbay_worker, patchbay_scheduler',
        current_database());
end
$$;
revoke create on schema public from public;
