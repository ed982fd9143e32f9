# shellcheck shell=bash
# PostgreSQL and Redis for tests: private, on Unix sockets in a short directory,
# without fsync. Never for data that matters. Sourced after say.sh, packages.sh.

# start_servers <directory> <ours|alone>: with `ours` they die with this script.
start_servers() {
  local dir=$1 life=$2
  mkdir -p "$dir/pg" "$dir/redis" "$dir/s"
  chown postgres "$dir/pg" "$dir/s"
  chmod 711 "$dir"
  chmod 755 "$dir/s"
  start_test_postgres "$dir" "$life"
  start_test_redis "$dir" "$life"
  wait_for_server "$dir/s/.s.PGSQL.5432" "$dir/pg.pid" "$dir/pg.log"
  wait_for_server "$dir/s/redis.sock" "$dir/redis.pid" "$dir/redis.log"
}

as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups)

start_test_postgres() {
  local dir=$1 life=$2 bin
  local -a dies=() alone=()
  bin=$(newest_postgres)
  if [ "$life" = ours ]; then dies=(--pdeathsig=INT); else alone=(setsid); fi
  "${as_postgres[@]}" "$bin/initdb" -D "$dir/pg" -U patchbay_owner --auth=trust -E UTF8 \
    --locale=C.UTF-8 --no-sync >"$dir/pg.log" 2>&1 </dev/null ||
    fail_with_log "initdb failed" "$dir/pg.log"
  "${alone[@]}" "${as_postgres[@]}" "${dies[@]}" "$bin/postgres" -D "$dir/pg" -k "$dir/s" \
    -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
    -c max_connections=400 -c autovacuum=off >>"$dir/pg.log" 2>&1 </dev/null &
  echo $! >"$dir/pg.pid"
}

start_test_redis() {
  local dir=$1 life=$2
  local -a dies=() alone=()
  if [ "$life" = ours ]; then dies=(setpriv --pdeathsig=TERM); else alone=(setsid); fi
  "${alone[@]}" "${dies[@]}" redis-server --port 0 --unixsocket "$dir/s/redis.sock" \
    --unixsocketperm 777 --dir "$dir/redis" --appendonly yes --appendfsync everysec --save "" \
    --maxmemory-policy noeviction --enable-debug-command local >"$dir/redis.log" 2>&1 </dev/null &
  echo $! >"$dir/redis.pid"
}

wait_for_server() {
  local socket=$1 pid log=$3 tries
  pid=$(cat "$2")
  for tries in $(seq 300); do
    [ -S "$socket" ] && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  fail_with_log "no server answers at $socket" "$log"
}

# Stops what start_servers started in a directory, by pid, and removes it.
stop_servers() {
  local dir=$1
  stop_one "$dir/pg.pid" INT "$dir/pg"
  stop_one "$dir/redis.pid" TERM "$dir/s/redis.sock"
  case $dir in
  /tmp/pbt-*) rm -rf "$dir" ;;
  esac
}

# is_alive <pid file> <word>: a pid may have been given to another process
# since, so the command line must hold the word; a zombie has none.
is_alive() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 1
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$2"
}

stop_one() {
  local file=$1 signal=$2 word=$3 tries
  for tries in $(seq 100); do
    is_alive "$file" "$word" || return 0
    [ "$tries" != 1 ] || kill "-$signal" "$(cat "$file")" 2>/dev/null || true
    sleep 0.1
  done
  kill -KILL "$(cat "$file")" 2>/dev/null || true
}

# What tests read, to be sourced or exported.
server_exports() {
  local dir=$1
  printf "export PATCHBAY_TEST_DATABASE_URL='host=%s/s user=patchbay_owner dbname=postgres'\n" "$dir"
  printf "export PATCHBAY_TEST_REDIS_URL='redis+unix://%s/s/redis.sock'\n" "$dir"
  printf "export PATCHBAY_NSJAIL='%s'\n" "$nsjail"
  printf "export PATCHBAY_ROOTFS='%s'\n" "$rootfs"
  printf "export PATCHBAY_UV='%s'\n" "$uv"
}
