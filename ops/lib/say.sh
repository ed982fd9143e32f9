# shellcheck shell=bash
# How ops/ scripts speak: what is being done and since when, and what to do
# when it can't be. Sourced, never run.

started_at=$(date +%s)

seconds_so_far() { echo $(($(date +%s) - started_at)); }

# A step of a longer way, with the seconds since the start.
step() { printf '[%4d s] %s\n' "$(seconds_so_far)" "$*" >&2; }

note() { printf '         %s\n' "$*" >&2; }

# fail <what went wrong> [<what to do>...]: every failure says what to do next.
fail() {
  printf 'error: %s\n' "$1" >&2
  shift
  local line
  for line in "$@"; do printf '  -> %s\n' "$line" >&2; done
  exit 1
}

# fail_with_log <what> <log file> [<what to do>...]: with the last words of the log.
fail_with_log() {
  local what=$1 log=$2
  shift 2
  if [ -s "$log" ]; then
    printf -- '--- the end of %s\n' "$log" >&2
    tail -n 25 "$log" >&2
    printf -- '---\n' >&2
  fi
  local free
  free=$(free_mib "$(dirname "$log")")
  if [ "${free:-9999}" -lt 200 ]; then
    set -- "the disk is full (${free} MiB free): make room and start again" "$@"
  fi
  fail "$what" "$@"
}

# MiB free on the file system that holds a path.
free_mib() { df -Pm "$1" 2>/dev/null | awk 'NR == 2 { print $4 }'; }

need_root() {
  [ "$(id -u)" = 0 ] || fail "$1 needs root: it makes control groups, users and mounts" \
    "run it as root, or: sudo env \"PATH=\$PATH\" $1"
}
