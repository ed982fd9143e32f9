# shellcheck shell=bash
# Debian packages: which are missing, and installing them. Sourced after say.sh.

# What each command (or file) comes from. They are asked for, not packages, so
# that a machine that got them another way is left alone.
package_of() {
  case $1 in
  initdb) echo postgresql ;;
  redis-server) echo redis-server ;;
  redis-check-aof | redis-cli) echo redis-tools ;;
  runsvdir | sv | svlogd) echo runit ;;
  promtool) echo prometheus ;;
  debian-python) echo python3 ;;
  debian-venv) echo python3-venv ;;
  openssl) echo openssl ;;
  curl) echo curl ;;
  git) echo git ;;
  cc) echo build-essential ;;
  setpriv | flock) echo util-linux ;;
  qemu-system-x86_64) echo qemu-system-x86 ;;
  busybox-static) echo busybox-static ;;
  mkfs.ext4) echo e2fsprogs ;;
  certificates) echo ca-certificates ;;
  time-zones) echo tzdata ;;
  media-types) echo media-types ;;
  *) fail "no package is known for $1" ;;
  esac
}

is_there() {
  case $1 in
  initdb) [ -n "$(newest_postgres)" ] ;;
  debian-python) [ -x /usr/bin/python3 ] ;;
  debian-venv) /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null ;;
  certificates) [ -e /etc/ssl/certs/ca-certificates.crt ] ;;
  time-zones) [ -e /usr/share/zoneinfo/Europe/Berlin ] ;;
  media-types) [ -e /etc/mime.types ] ;;
  # One that needs no libraries: another kind is a package with the same command.
  busybox-static) command -v busybox >/dev/null && ! ldd "$(command -v busybox)" >/dev/null 2>&1 ;;
  *) command -v "$1" >/dev/null ;;
  esac
}

# What a sandbox's root is copied from (ops/rootfs).
rootfs_sources=(debian-python certificates time-zones media-types curl)

# The directory with initdb and postgres; Debian keeps them off the PATH.
newest_postgres() {
  local dir found=
  for dir in /usr/lib/postgresql/*/bin; do
    [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && found=$dir
  done
  echo "$found"
}

missing_packages() {
  local command
  for command in "$@"; do is_there "$command" || package_of "$command"; done | sort -u
}

# install_commands <log> <command>...: installs the packages of those that are missing.
install_commands() {
  local log=$1 missing
  shift
  missing=$(missing_packages "$@" | xargs)
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null || fail "these Debian packages are missing: $missing" \
    "install what they hold by your system's means, then start again"
  step "installing Debian packages: $missing"
  without_starting_services apt_install "$log" "$missing" ||
    fail_with_log "apt-get could not install: $missing" "$log" \
      "see what it says above; try: apt-get update && apt-get install $missing"
}

apt_install() {
  local log=$1 missing=$2
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # a list of packages
  apt-get install -y --no-install-recommends $missing >"$log" 2>&1 </dev/null && return
  apt-get update >>"$log" 2>&1 </dev/null || true
  # shellcheck disable=SC2086
  apt-get install -y --no-install-recommends $missing >>"$log" 2>&1 </dev/null
}

# Debian starts a server once installed; ours are private and these are unwanted.
without_starting_services() {
  local policy=/usr/sbin/policy-rc.d rc=0
  if [ -e $policy ]; then
    "$@"
    return
  fi
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
  "$@" || rc=$?
  rm -f $policy
  return $rc
}
