# shellcheck shell=bash
# Keeping processes: runit's runsvdir with one directory per process in
# $home/service. runsv starts again within a second whatever ends, for ever; a
# runsv that is killed itself is back within five.
# Sourced after say.sh and place.sh.
#
# What always holds: a process is a child of its runsv and dies with it
# (PDEATHSIG), so there are never two of one service; everything is found by
# the service directories and the pid file of this home, never by name.

# In the order in which they are stopped.
app_services=(worker-1 worker-2 worker-last api scheduler)
store_services=(redis postgres)

service() { echo "$home/service/$1"; }

supervisor_pid() {
  local pid
  pid=$(cat "$home/supervisor.pid" 2>/dev/null) || return 1
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$home/service " && echo "$pid"
}

start_supervisor() {
  supervisor_pid >/dev/null && return
  # A runsv whose runsvdir died keeps its lock: end it, then all begin again.
  stop_services
  setsid runsvdir -P "$home/service" </dev/null >>"$home/log/supervisor.log" 2>&1 9>&- &
  echo $! >"$home/supervisor.pid"
  disown
  wait_for_supervisors
}

wait_for_supervisors() {
  local name tries
  for name in "${store_services[@]}" "${app_services[@]}"; do
    for tries in $(seq 100); do
      is_kept "$name" && continue 2
      sleep 0.1
    done
    fail_with_log "the supervisor of $name does not start" "$home/log/supervisor.log"
  done
}

# Whether a runsv watches over the service.
is_kept() { case $(sv status "$(service "$1")" 2>/dev/null) in run:* | down:* | finish:*) ;; *) false ;; esac }

# Whether the service's process runs.
is_up() { case $(sv status "$(service "$1")" 2>/dev/null) in run:*) ;; *) false ;; esac }

service_pid() { cat "$(service "$1")/supervise/pid" 2>/dev/null; }

# A service that waits for others is made with a file `down`, which holds until
# it is started here; then runsv starts it by itself.
hold() { touch "$(service "$1")/down"; }

start_service() {
  rm -f "$(service "$1")/down"
  sv up "$(service "$1")" >/dev/null || fail "$1 can't be started" "see $home/log/supervisor.log"
}

restart_service() {
  rm -f "$(service "$1")/down"
  sv -w 30 force-restart "$(service "$1")" >/dev/null ||
    fail_with_log "$1 can't be restarted" "$home/log/$1/current"
}

stop_supervisor() {
  local pid tries
  pid=$(supervisor_pid) || return 0
  kill -TERM "$pid" 2>/dev/null || true
  for tries in $(seq 100); do
    supervisor_pid >/dev/null || break
    sleep 0.05
  done
  rm -f "$home/supervisor.pid"
}

# Stops every service and its runsv: first who uses the stores, then those.
stop_services() {
  stop_group 30 "${app_services[@]}"
  stop_group 30 "${store_services[@]}"
}

stop_group() {
  local wait=$1 name
  local -a dirs=()
  shift
  for name in "$@"; do
    if is_kept "$name"; then dirs+=("$(service "$name")"); fi
  done
  [ ${#dirs[@]} -gt 0 ] || return 0
  sv -w "$wait" force-shutdown "${dirs[@]}" >/dev/null || true
  for name in "$@"; do
    ! is_kept "$name" || fail "$name does not stop" "its processes: pid $(service_pid "$name")"
  done
}
