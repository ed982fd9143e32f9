# shellcheck shell=bash
# What only this copy knows: made once, mode 600, in $home/secrets. Never on a
# command line, never in a log. Services are given the files' names.
# Sourced after say.sh and place.sh.

database_roles=(owner api worker scheduler)

# secret <name> <command>...: the command's output becomes the secret, once.
secret() {
  local file=$home/secrets/$1
  shift
  [ -s "$file" ] && return
  (umask 077 && "$@" >"$file.part" && mv "$file.part" "$file") ||
    fail "the secret $file could not be made" "is the disk full? see: df -h $home"
}

random_hex() { od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'; }

# A key-encryption key: <id>:<base64 of 32 bytes>.
random_kek() { printf 'k%s:%s\n' "$(random_hex 4)" "$(head -c 32 /dev/urandom | base64 -w 0)"; }

random_es256() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256; }

make_secrets() {
  local role
  mkdir -p "$home/secrets"
  chmod 700 "$home/secrets"
  for role in "${database_roles[@]}"; do secret "$role.password" random_hex 24; done
  secret redis.password random_hex 24
  secret account.password random_hex 16
  secret kek random_kek
  secret jwt.pem random_es256
  derive_urls
}

# Files made from secrets and places, anew each time: places move.
derive_urls() {
  local role
  for role in "${database_roles[@]}"; do
    derived "$role.database_url" database_url "$role" patchbay
    derived "$role.keys_database_url" database_url "$role" patchbay_keys
  done
  derived redis.url redis_url
  derived redis.conf redis_conf
}

derived() {
  local file=$home/secrets/$1
  shift
  (umask 077 && "$@" >"$file.part" && mv "$file.part" "$file") ||
    fail "$file could not be written" "is the disk full? see: df -h $home"
}

database_url() {
  printf 'host=%s/postgres user=patchbay_%s dbname=%s password=%s\n' \
    "$sockets" "$1" "$2" "$(<"$home/secrets/$1.password")"
}

redis_url() {
  printf 'redis+unix://%s/redis/redis.sock?pass=%s\n' "$sockets" "$(<"$home/secrets/redis.password")"
}

redis_conf() {
  cat <<END
port 0
unixsocket $sockets/redis/redis.sock
unixsocketperm 777
requirepass $(<"$home/secrets/redis.password")
dir $home/redis
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
loglevel notice
END
}
