-- Each service may do what it does, and nothing else.
grant select, insert, update on accounts, users, memberships, refresh_tokens, api_keys to patchbay_api;
grant delete on refresh_tokens to patchbay_api;
grant select, insert, update on namespaces, functions to patchbay_api;
grant select, insert, delete on versions to patchbay_api;
grant delete on functions to patchbay_api;
grant select, insert, update on executions, idempotency_keys, usage_daily to patchbay_api;
grant select on partitions to patchbay_api;
grant select, insert, update, delete on processes to patchbay_api;

grant select (id, plan, status) on accounts to patchbay_worker;
grant select (id, account_id, name, deleted_at) on namespaces to patchbay_worker;
grant select on functions, versions to patchbay_worker;
grant update (current_version_id, updated_at) on functions to patchbay_worker;
grant update (status, broken_kind, description, input_schema, output_schema, schema_inferred,
    entry_point, reason, import_log, build_attempts, build_owner, build_lease_until, built_at)
    on versions to patchbay_worker;
grant select, insert, update on executions, idempotency_keys, usage_daily to patchbay_worker;
grant select on partitions to patchbay_worker;
grant select, insert, update, delete on processes to patchbay_worker;

grant select (id, plan, status, period_anchor) on accounts to patchbay_scheduler;
grant select (id, number, function_id, concurrency, max_attempts) on versions to patchbay_scheduler;
grant select (id, deleted_at) on namespaces, functions to patchbay_scheduler;
grant delete on namespaces, functions, versions to patchbay_scheduler;
grant select (token_hash, expires_at) on refresh_tokens to patchbay_scheduler;
grant select (id, expires_at, revoked_at) on api_keys to patchbay_scheduler;
grant delete on refresh_tokens, api_keys to patchbay_scheduler;
grant select, insert, update on executions, idempotency_keys, usage_daily to patchbay_scheduler;
grant delete on idempotency_keys, usage_daily to patchbay_scheduler;
grant select, update on partitions, leadership to patchbay_scheduler;
grant usage on sequence generations to patchbay_scheduler;
grant select, insert, update, delete on processes to patchbay_scheduler;

grant execute on function enter_door(smallint, bigint) to patchbay_api, patchbay_worker, patchbay_scheduler;
grant execute on function change_generation(smallint, bigint, timestamptz) to patchbay_scheduler;
grant execute on function make_execution_day(date), drop_execution_days(date) to patchbay_scheduler;
