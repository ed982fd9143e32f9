# shellcheck shell=bash
# Control groups that a killed worker left. Sourced after say.sh.
#
# A worker names its groups patchbay-u<n> and holds the lock
# /run/patchbay-uids/<n> while it lives: who gets the lock may clean up.

remove_groups() {
  local dir number
  find /sys/fs/cgroup -maxdepth 8 -type d -name 'patchbay-u*' 2>/dev/null |
    while read -r dir; do
      number=${dir##*/patchbay-u}
      [[ $number =~ ^[0-9]+$ ]] || continue
      # Without a lock it belongs to a worker of another container.
      [ -e "/run/patchbay-uids/$number" ] || continue
      exec 8>"/run/patchbay-uids/$number"
      if flock -n 8; then empty_group "$dir"; fi
      exec 8>&-
    done
  # Version 2: where a worker stood; one in use is not empty.
  find /sys/fs/cgroup -maxdepth 8 -type d -name 'patchbay-worker-*' -exec rmdir {} + 2>/dev/null || true
}

empty_group() {
  local group=$1 inside pid tries
  for tries in $(seq 50); do
    for inside in "$group"/*/cgroup.procs "$group/cgroup.procs"; do
      [ -e "$inside" ] || continue
      while read -r pid; do kill -KILL "$pid" 2>/dev/null || true; done <"$inside"
    done
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
    [ -d "$group" ] || return 0
    sleep 0.1
  done
  note "the control group $group could not be removed: something in it does not end"
}
