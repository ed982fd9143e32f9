# shellcheck shell=bash
# The private PostgreSQL of a home: made once, its roles and databases kept as
# they must be. Sourced after say.sh, place.sh, packages.sh, secrets.sh.
#
# Root comes in as `postgres` by peer authentication, everyone else with the
# password of a role (SCRAM). There is no TCP listener.

as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups)

# The programs of the version that made the data, else the newest.
postgres_bin() {
  local made_by
  made_by=$(cat "$home/postgres/PG_VERSION" 2>/dev/null || true)
  if [ -n "$made_by" ]; then
    [ -x "/usr/lib/postgresql/$made_by/bin/postgres" ] ||
      fail "the data in $home/postgres was made by PostgreSQL $made_by, which is not installed" \
        "apt-get install postgresql-$made_by, or move the data with pg_dump"
    echo "/usr/lib/postgresql/$made_by/bin"
  else
    newest_postgres
  fi
}

make_postgres() {
  local bin log=$home/log/initdb.log
  [ -s "$home/postgres/PG_VERSION" ] && return
  bin=$(postgres_bin)
  rm -rf "$home/postgres.part"
  mkdir -p "$home/postgres.part"
  chown postgres:postgres "$home/postgres.part"
  "${as_postgres[@]}" "$bin/initdb" -D "$home/postgres.part" -U postgres --auth=reject \
    -E UTF8 --locale=C.UTF-8 --data-checksums >"$log" 2>&1 </dev/null ||
    fail_with_log "initdb failed" "$log"
  printf '%s\n' 'local all postgres peer' 'local all all scram-sha-256' \
    >"$home/postgres.part/pg_hba.conf"
  mv "$home/postgres.part" "$home/postgres"
}

# Errors are logged without their statement and without details: those hold data.
postgres_settings() {
  printf ' -c %s' listen_addresses= fsync=on max_connections=200 shared_buffers=128MB \
    password_encryption=scram-sha-256 log_min_error_statement=panic log_error_verbosity=terse
}

as_superuser() {
  (cd / && "${as_postgres[@]}" psql -X -q -At -v ON_ERROR_STOP=1 -h "$sockets/postgres" -U postgres "$@")
}

wait_for_postgres() {
  local tries
  for tries in $(seq 300); do
    as_superuser -d postgres -c 'select 1' </dev/null >/dev/null 2>&1 && return
    sleep 0.1
  done
  fail_with_log "PostgreSQL does not answer" "$home/log/postgres/current"
}

# Roles with their passwords, and two databases; harmless to repeat.
set_up_postgres() {
  local log=$home/log/bootstrap.log
  { roles_sql && databases_sql; } 2>"$log" | as_superuser -d postgres >>"$log" 2>&1 ||
    fail_with_log "PostgreSQL's roles could not be made" "$log"
}

roles_sql() {
  local role verifier
  for role in "${database_roles[@]}"; do
    verifier=$(/usr/bin/python3 -I "$checkout/ops/lib/scram_verifier.py" \
      <"$home/secrets/$role.password") || return
    cat <<END
select 'create role patchbay_$role login' where not exists
    (select from pg_roles where rolname = 'patchbay_$role') \gexec
alter role patchbay_$role password '$verifier';
END
  done
}

databases_sql() {
  local name
  for name in patchbay patchbay_keys; do
    cat <<END
select 'create database $name owner patchbay_owner' where not exists
    (select from pg_database where datname = '$name') \gexec
END
  done
}
