# shellcheck shell=bash
# The service directories: what each process is started with. Written only when
# they change, so that a changed one is known and restarted.
# Sourced after all others in ops/lib.

changed=" "

# install_file <path> <mode> <command>...: what the command prints becomes the
# file, if it differs.
install_file() {
  local path=$1 mode=$2
  shift 2
  "$@" >"$path.part" || fail "$path could not be written" "is the disk full? see: df -h $home"
  chmod "$mode" "$path.part"
  if cmp -s "$path.part" "$path"; then
    rm -f "$path.part"
    return 1
  fi
  mv "$path.part" "$path"
}

# make_service <name> <command>...: what the command prints is its run script.
make_service() {
  local name=$1 dir
  dir=$(service "$name")
  shift
  if ! [ -d "$dir" ]; then
    mkdir -p "$dir/log"
    touch "$dir/down"
  fi
  mkdir -p "$home/log/$name"
  printf 's10000000\nn5\n' >"$home/log/$name/config"
  install_file "$dir/log/run" 755 printf '#!/bin/sh\nexec svlogd "%s"\n' "$home/log/$name" || true
  if install_file "$dir/run" 755 "$@"; then changed+="$name "; fi
}

make_store_services() {
  make_service postgres postgres_run
  make_service redis redis_run
  mkdir -p "$(service postgres)/control"
  # SIGTERM would wait for every client to leave.
  # shellcheck disable=SC2016 # for the script
  install_file "$(service postgres)/control/t" 755 \
    printf '#!/bin/sh\nkill -INT "$(cat supervise/pid)"\n' || true
}

make_app_services() {
  local name
  choose_admin_ports
  make_service api api_run
  make_service scheduler scheduler_run
  for name in worker-1 worker-2 worker-last; do make_service "$name" worker_run "$name"; done
}

run_head() { printf '#!/bin/sh\nexec 2>&1\nulimit -n 65536 2>/dev/null\n'; }

postgres_run() {
  run_head
  cat <<END
cd "$home/postgres" || exit 1
exec env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 TZ=UTC \\
  setpriv --reuid=postgres --regid=postgres --init-groups --pdeathsig=INT \\
  "$(postgres_bin)/postgres" -D "$home/postgres" -k "$sockets/postgres"$(postgres_settings)
END
}

# A torn tail is cut off first; Redis alone refuses some of them.
redis_run() {
  run_head
  cat <<END
cd "$home/redis" || exit 1
as_redis="env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 setpriv --reuid=redis --regid=redis --init-groups"
manifest=appendonlydir/appendonly.aof.manifest
[ ! -s \$manifest ] || yes | \$as_redis redis-check-aof --fix \$manifest
exec \$as_redis --pdeathsig=KILL redis-server - <"$home/secrets/redis.conf"
END
}

# app_run <binary> <service>: standard input are further variables.
app_run() {
  run_head
  cat <<END
cd / || exit 1
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TZ=UTC \\
  PATCHBAY_LOG="${PATCHBAY_LOG:-info}" \\
  PATCHBAY_ADMIN_LISTEN=127.0.0.1:$(remembered_port "$2-admin") \\
  REDIS_URL_FILE="$home/secrets/redis.url" \\
$(sed '/^$/d; s/^/  /; s/$/ \\/')
  setpriv --pdeathsig=KILL "$checkout/target/up/$1"
END
}

# Settings of whoever calls ops/up that are the services' as well. They are remembered, for a
# later call without them must not open what this one closed; an empty value forgets one.
passed_on() {
  local name file
  for name; do
    file=$home/settings/$name
    if [ -n "${!name+set}" ]; then
      mkdir -p "$home/settings"
      printf '%s' "${!name}" >"$file"
    fi
    [ ! -s "$file" ] || printf '%s=%q\n' "$name" "$(cat "$file")"
  done
}

# A password's hash takes 19 MiB, which is given back at once: by itself the C library
# would keep it once it was freed (mallopt(3), M_MMAP_THRESHOLD).
api_run() {
  app_run api api <<END
MALLOC_MMAP_THRESHOLD_=4194304
DATABASE_URL_FILE="$home/secrets/api.database_url"
KEYS_DATABASE_URL_FILE="$home/secrets/api.keys_database_url"
PATCHBAY_KEK_FILE="$home/secrets/kek"
PATCHBAY_JWT_KEY_FILE="$home/secrets/jwt.pem"
PATCHBAY_LISTEN=127.0.0.1:$port
PATCHBAY_PUBLIC_URL=http://127.0.0.1:$port
PATCHBAY_RUN_AS=patchbay
$(passed_on PATCHBAY_PLANS_FILE)
END
}

scheduler_run() {
  app_run scheduler scheduler <<END
DATABASE_URL_FILE="$home/secrets/scheduler.database_url"
PATCHBAY_RUN_AS=patchbay
$(passed_on PATCHBAY_PLANS_FILE)
END
}

worker_run() {
  local name=$1 last=false
  [ "$name" != worker-last ] || last=true
  mkdir -p "$home/state/$name"
  app_run worker "$name" <<END
DATABASE_URL_FILE="$home/secrets/worker.database_url"
KEYS_DATABASE_URL_FILE="$home/secrets/worker.keys_database_url"
PATCHBAY_KEK_FILE="$home/secrets/kek"
PATCHBAY_STATE_DIR="$home/state/$name"
PATCHBAY_ROOTFS="$rootfs"
PATCHBAY_NSJAIL="$nsjail"
PATCHBAY_UV="$uv"
PATCHBAY_LAYERS_DIR="$home/state/layers"
PATCHBAY_LAST_STARTS=$last
$(passed_on PATCHBAY_PLANS_FILE PATCHBAY_NETWORK_RANGES PATCHBAY_NETWORK_REFUSED PATCHBAY_NETWORK_NAMESERVERS PATCHBAY_PACKAGE_INDEX PATCHBAY_PACKAGE_HOSTS)
END
}

# Whether a service runs something else than it would be started with now.
is_outdated() {
  local name=$1 binary=$2 pid
  case $changed in *" $name "*) return 0 ;; esac
  pid=$(service_pid "$name")
  [ -n "$pid" ] || return 1
  [ "$(stat -Lc %d:%i "/proc/$pid/exe" 2>/dev/null)" != "$(stat -c %d:%i "$checkout/target/up/$binary")" ]
}

binary_of() { echo "${1%%-*}"; }

# Starts what is held, restarts what is outdated.
start_apps() {
  local name
  for name in scheduler worker-1 worker-2 worker-last api; do
    if ! is_up "$name"; then
      start_service "$name"
    elif is_outdated "$name" "$(binary_of "$name")"; then
      restart_service "$name"
    fi
  done
}

# name=http://host:port of each admin listener.
admin_listeners() {
  local name
  for name in api scheduler worker-1 worker-2 worker-last; do
    echo "$name=http://127.0.0.1:$(remembered_port "$name-admin")"
  done
}
