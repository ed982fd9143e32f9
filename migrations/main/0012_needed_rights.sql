-- Column by column what each service's statements need, and nothing beside it: above all, a
-- worker reads no input, output or log of any execution. A column that comes later is granted
-- where it is added.
revoke all on all tables in schema public from patchbay_api, patchbay_worker, patchbay_scheduler;

-- What was accepted and how it ended: every service writes it.
grant insert (id, day, partition, account_id, namespace_id, function_id, version_id, version_number,
    state, trigger, plan, once, timeout_ms, memory_mib, key_hash, input, env, created_at, error_code,
    attempt, started_at, finished_at, duration_us, cpu_us, memory_peak_bytes, network_in_bytes,
    network_out_bytes, output, error, logs)
    on executions to patchbay_api, patchbay_worker, patchbay_scheduler;
grant update (state, error_code, attempt, tried, losses, due_at, started_at, finished_at, duration_us,
    cpu_us, memory_peak_bytes, network_in_bytes, network_out_bytes, output, error, logs, env)
    on executions to patchbay_api, patchbay_worker, patchbay_scheduler;
grant select (id, day, account_id, state, attempt, tried, losses, cancel_requested, started_at, finished_at)
    on executions to patchbay_api, patchbay_worker, patchbay_scheduler;
grant select, insert on idempotency_keys to patchbay_api, patchbay_worker, patchbay_scheduler;
grant update (execution_id, day, body_digest, expires_at)
    on idempotency_keys to patchbay_api, patchbay_worker, patchbay_scheduler;
grant select, insert, update (accepted)
    on usage_daily to patchbay_api, patchbay_worker, patchbay_scheduler;
grant select (id, generation) on partitions to patchbay_api, patchbay_worker, patchbay_scheduler;
grant select (id, acked_generation), insert, update (heartbeat_at, acked_generation), delete
    on processes to patchbay_api, patchbay_worker, patchbay_scheduler;

-- The api: people, what they publish, what they are shown.
-- A row can be locked by who may update one of its columns.
grant select, insert (id, name, plan, period_anchor, created_at), update (created_at) on accounts to patchbay_api;
grant select (id, name, email, email_identity, email_verified_at, password_hash, created_at), insert
    on users to patchbay_api;
grant select (account_id, user_id, created_at), insert on memberships to patchbay_api;
grant select, insert (token_hash, family, user_id, account_id, created_at, expires_at), update (revoked_at)
    on refresh_tokens to patchbay_api;
grant select (id, account_id, name, secret_hash, scopes, namespaces, created_at, expires_at, last_used_at,
    revoked_at),
    insert (id, account_id, created_by, name, secret_hash, scopes, namespaces, created_at, expires_at),
    update (last_used_at, revoked_at)
    on api_keys to patchbay_api;
grant select, insert (id, account_id, name, description, created_at), update (description, deleted_at)
    on namespaces to patchbay_api;
grant select, insert (id, account_id, namespace_id, name, created_at, updated_at), update (deleted_at), delete
    on functions to patchbay_api;
grant select (id, account_id, function_id, number, status, broken_kind, body_digest, code, description,
    input_schema, output_schema, schema_inferred, entry_point, tags, annotations, timeout_ms, memory_mib,
    concurrency, max_attempts, reason, import_log, single_use, requirements, lock_digest, env_required,
    env_optional, import_env, network_allow, created_at, built_at),
    insert (id, account_id, function_id, number, body_digest, code, description, input_schema,
    output_schema, tags, annotations, timeout_ms, memory_mib, concurrency, max_attempts, requirements,
    lock_digest, env_required, env_optional, network_allow, created_at),
    delete
    on versions to patchbay_api;
grant select (digest, text) on locks to patchbay_api;
grant select, insert, update (id, value, updated_at), delete on secrets to patchbay_api;
grant select (namespace_id, function_id, version_id, version_number, trigger, due_at, created_at, erased_at,
    error_code, duration_us, cpu_us, memory_peak_bytes, network_in_bytes, network_out_bytes, input, output,
    error, logs),
    update (input, cancel_requested, erased_at)
    on executions to patchbay_api;

-- A worker: what it builds and runs.
grant select (id, plan) on accounts to patchbay_worker;
grant select (id, name) on namespaces to patchbay_worker;
grant select (id, namespace_id, name, current_version_id), update (current_version_id, updated_at)
    on functions to patchbay_worker;
grant select (id, account_id, function_id, number, status, broken_kind, body_digest, code, description,
    input_schema, output_schema, schema_inferred, entry_point, tags, annotations, timeout_ms, memory_mib,
    concurrency, max_attempts, reason, single_use, requirements, lock_digest, env_required, env_optional,
    import_env, network_allow, build_attempts, build_owner, build_lease_until, created_at, built_at),
    update (status, broken_kind, description, input_schema, output_schema, schema_inferred, entry_point,
    reason, import_log, single_use, lock_digest, import_env, build_attempts, build_owner,
    build_lease_until, built_at)
    on versions to patchbay_worker;
grant select (digest, text), insert on locks to patchbay_worker;
grant select (id, account_id, namespace_id, name, value) on secrets to patchbay_worker;

-- The scheduler: recovery reads what has not ended; duties remove what is past its time.
grant select (partition, namespace_id, function_id, version_id, version_number, trigger, plan, once,
    timeout_ms, memory_mib, key_hash, input, env, due_at, created_at, erased_at, error_code, duration_us,
    cpu_us, memory_peak_bytes, network_in_bytes, network_out_bytes, output, error, logs)
    on executions to patchbay_scheduler;
grant delete on idempotency_keys, usage_daily to patchbay_scheduler;
grant update (generation, changed_at) on partitions to patchbay_scheduler;
grant select (kind, heartbeat_at) on processes to patchbay_scheduler;
grant select (id, term), update (term, process_id, since) on leadership to patchbay_scheduler;
grant select (id, period_anchor) on accounts to patchbay_scheduler;
grant select (token_hash, expires_at), delete on refresh_tokens to patchbay_scheduler;
grant select (id, expires_at, revoked_at), delete on api_keys to patchbay_scheduler;
grant select (id, deleted_at), delete on namespaces, functions to patchbay_scheduler;
grant select (id, function_id, number, concurrency, max_attempts, lock_digest), delete
    on versions to patchbay_scheduler;
grant select (digest, created_at), delete on locks to patchbay_scheduler;
