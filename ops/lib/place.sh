# shellcheck shell=bash
# Where things are: the checkout, its home (data, logs, secrets) and the short
# directory of its sockets. Sourced after say.sh.
#
# The home is PATCHBAY_HOME, else .patchbay/ in the checkout. PostgreSQL and
# Redis run as users of their own, so where others can't pass the checkout (it
# lies in a 0700 home) the home is /var/lib/patchbay/<folder of the checkout>.
# A file `checkout` in such a home says whose it is; two checkouts with the
# same folder name never share one.

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

# Whether any user can pass through to a directory.
others_can_pass() {
  setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$1" 2>/dev/null
}

# Eight hex digits that stand for a path.
short_name() { printf '%s' "$1" | sha256sum | cut -c1-8; }

home_outside() {
  local parent=/var/lib/patchbay folder candidate
  folder=$(basename "$checkout")
  candidate=$parent/$folder
  if [ -e "$candidate" ] && [ "$(cat "$candidate/checkout" 2>/dev/null)" != "$checkout" ]; then
    candidate=$parent/$folder-$(short_name "$checkout")
  fi
  echo "$candidate"
}

find_home() {
  home_note=
  if [ -n "${PATCHBAY_HOME:-}" ]; then
    home=$(realpath -m "$PATCHBAY_HOME")
  elif others_can_pass "$checkout"; then
    home=$checkout/.patchbay
  else
    home=$(home_outside)
    home_note="other users can't pass $checkout, so data goes to $home"
  fi
  sockets=/run/patchbay/$(short_name "$home")
}

make_home() {
  umask 022
  mkdir -p "$home" || fail "$home can't be made" "set PATCHBAY_HOME to a directory that can"
  case $home in
  /var/lib/patchbay/*) printf '%s' "$checkout" >"$home/checkout" ;;
  esac
  others_can_pass "$home" || fail "other users can't pass $home, and PostgreSQL runs as one of them" \
    "set PATCHBAY_HOME to a directory outside of any 0700 folder"
}
