//! The statements of `record`: through the door, rows inserted, rows ended.
//!
//! Ids are sorted in each of them and ending rows is two statements after the
//! insert (lock the open ones in order, then update), so batches of any processes
//! never deadlock and none misses a row that another was just inserting. What ends
//! before its row is there is inserted final, and the two find nothing to do.
//!
//! Rows are looked for as `day = any (…) and id = any (…)`, never by a join alone:
//! a day's partition is new and without statistics for most of its day, and a join
//! was planned as a scan of all of it.

use super::statement::statements;

statements! {
    DOOR = "select enter_door($1, $2)";
    // New rows, open or final, and what they add to their accounts' usage. Gives how many
    // are new, and how many of those are final.
    INSERT = "with wanted as (
            select * from unnest($2::uuid[], $3::date[], $4::uuid[], $5::uuid[], $6::uuid[],
                $7::uuid[], $8::text[], $9::text[], $10::boolean[], $11::integer[],
                $12::integer[], $13::bytea[], $14::bytea[], $15::timestamptz[], $16::text[],
                $17::text[], $18::integer[], $19::timestamptz[], $20::timestamptz[],
                $21::bigint[], $22::bigint[], $23::bigint[], $24::bigint[], $25::bigint[],
                $26::bytea[], $27::bytea[], $28::bytea[], $29::bytea[])
            as w (id, day, account_id, namespace_id, function_id, version_id, trigger, plan, once,
                timeout_ms, memory_mib, key_hash, input, created_at, state, error_code, attempt,
                started_at, finished_at, duration_us, cpu_us, memory_peak_bytes, network_in_bytes,
                network_out_bytes, output, error, logs, env)
        ), new as (
            insert into executions (id, day, partition, account_id, namespace_id, function_id,
                version_id, version_number, state, trigger, plan, once, timeout_ms, memory_mib,
                key_hash, input, created_at, error_code, attempt, started_at, finished_at,
                duration_us, cpu_us, memory_peak_bytes, network_in_bytes, network_out_bytes,
                output, error, logs, env)
            select w.id, w.day, $1, w.account_id, w.namespace_id, w.function_id, w.version_id,
                (select v.number from versions v where v.id = w.version_id),
                coalesce(w.state, 'queued'), w.trigger, w.plan, w.once, w.timeout_ms,
                w.memory_mib, w.key_hash, w.input, w.created_at, w.error_code,
                coalesce(w.attempt, 0), w.started_at, w.finished_at, w.duration_us, w.cpu_us,
                w.memory_peak_bytes, w.network_in_bytes, w.network_out_bytes, w.output, w.error,
                w.logs, w.env
            from wanted w
            order by w.day, w.id
            on conflict (day, id) do nothing
            returning account_id, day, finished_at
        ), counted as (
            insert into usage_daily as u (account_id, day, accepted)
            select account_id, day, count(*) from new group by account_id, day
            order by account_id, day
            on conflict (account_id, day) do update set accepted = u.accepted + excluded.accepted
        )
        select count(*) as inserted, count(finished_at) as ended from new";
    LOCK = "select 1 from executions e
        where e.day = any ($1::date[]) and e.id = any ($2::uuid[])
            and e.state in ('queued', 'running')
        order by e.day, e.id for update of e";
    END = "update executions e set state = o.state, error_code = o.error_code,
            attempt = greatest(e.attempt, o.attempt),
            started_at = coalesce(o.started_at, e.started_at), finished_at = o.finished_at,
            duration_us = o.duration_us, cpu_us = o.cpu_us,
            memory_peak_bytes = o.memory_peak_bytes, network_in_bytes = o.network_in_bytes,
            network_out_bytes = o.network_out_bytes, output = o.output, error = o.error,
            logs = o.logs, due_at = null, env = null
        from unnest($1::date[], $2::uuid[], $3::text[], $4::text[], $5::integer[],
            $6::timestamptz[], $7::timestamptz[], $8::bigint[], $9::bigint[], $10::bigint[],
            $11::bigint[], $12::bigint[], $13::bytea[], $14::bytea[], $15::bytea[])
        as o (day, id, state, error_code, attempt, started_at, finished_at, duration_us, cpu_us,
            memory_peak_bytes, network_in_bytes, network_out_bytes, output, error, logs)
        where e.day = o.day and e.id = o.id and e.day = any ($16::date[]) and e.id = any ($2)
            and e.state in ('queued', 'running')";
    NOTE = "update executions e set state = s.state, attempt = greatest(e.attempt, s.attempt),
            tried = greatest(e.tried, s.tried), losses = greatest(e.losses, s.losses),
            started_at = coalesce(s.started_at, e.started_at), due_at = s.due_at
        from unnest($1::date[], $2::uuid[], $3::text[], $4::integer[], $5::integer[],
            $6::integer[], $7::timestamptz[], $8::timestamptz[])
        as s (day, id, state, attempt, tried, losses, started_at, due_at)
        where e.day = s.day and e.id = s.id and e.day = any ($9::date[]) and e.id = any ($2)
            and e.state in ('queued', 'running') and e.tried <= s.tried and e.losses <= s.losses";
    // A key that is free again may be taken; the time it is compared with is the
    // new execution's own.
    KEYS = "insert into idempotency_keys as k
            (account_id, key_hash, execution_id, day, body_digest, expires_at)
        select * from unnest($1::uuid[], $2::bytea[], $3::uuid[], $4::date[], $5::bytea[],
            $6::timestamptz[])
        as w (account_id, key_hash, execution_id, day, body_digest, expires_at)
        order by w.account_id, w.key_hash
        on conflict (account_id, key_hash) do update set execution_id = excluded.execution_id,
            day = excluded.day, body_digest = excluded.body_digest,
            expires_at = excluded.expires_at
        where k.expires_at <= excluded.expires_at - interval '24 hours'";
    OWNERS = "select w.account_id, w.key_hash,
            (select k.execution_id from idempotency_keys k
                where k.account_id = w.account_id and k.key_hash = w.key_hash) as execution_id
        from unnest($1::uuid[], $2::bytea[]) as w (account_id, key_hash)";
    ONCE = "update executions set attempt = 1, state = 'running', started_at = $3
        where day = $1 and id = $2 and attempt = 0 and state in ('queued', 'running')
            and not cancel_requested";
    ASK_CANCEL = "update executions set cancel_requested = true
        where day = $1 and id = $2 and state in ('queued', 'running')";
    CANCEL_ASKED = "select cancel_requested from executions where day = $1 and id = $2";
}
