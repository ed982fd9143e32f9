# shellcheck shell=bash
# TCP ports of a home, chosen free and remembered in $home/ports.
# Sourced after say.sh, place.sh, supervisor.sh.

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

remembered_port() { awk -v name="$1" '$1 == name { print $2 }' "$home/ports" 2>/dev/null || true; }

remember_port() {
  touch "$home/ports"
  { awk -v name="$1" '$1 != name' "$home/ports" && echo "$1 $2"; } >"$home/ports.part"
  mv "$home/ports.part" "$home/ports"
}

who_holds() {
  local held
  held=$(ss -Hltnp "sport = :$1" 2>/dev/null | grep -o '"[^"]*",pid=[0-9]*' | head -n 1 || true)
  echo "${held:-another program}"
}

# The public port: asked for, else the remembered one, else 8080.
choose_public_port() {
  local before
  before=$(remembered_port api)
  port=${PATCHBAY_PORT:-${before:-8080}}
  [[ $port =~ ^[0-9]+$ ]] && [ "$port" -ge 1 ] && [ "$port" -le 65535 ] ||
    fail "PATCHBAY_PORT is \"$port\", which is no port" "choose a number from 1 to 65535"
  if ! { [ "$port" = "$before" ] && is_up api; } && ! port_is_free "$port"; then
    fail "port $port is taken by $(who_holds "$port")" \
      "choose another: PATCHBAY_PORT=$((port + 1)) ops/up"
  fi
  remember_port api "$port"
}

choose_admin_ports() {
  local name
  for name in "${app_services[@]}"; do choose_admin_port "$name"; done
}

# Below the range of outgoing connections.
choose_admin_port() {
  local name=$1 candidate tries
  candidate=$(remembered_port "$name-admin")
  if [ -n "$candidate" ] && { is_up "$name" || port_is_free "$candidate"; }; then return; fi
  candidate=$((20000 + 16#$(short_name "$home$name") % 12000))
  for tries in $(seq 500); do
    if port_is_free "$candidate" && ! grep -q " $candidate\$" "$home/ports"; then
      remember_port "$name-admin" "$candidate"
      return
    fi
    candidate=$((20000 + (candidate - 19999) % 12000))
  done
  fail "no free port was found for the admin listener of $name"
}
