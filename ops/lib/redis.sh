# shellcheck shell=bash
# The private Redis of a home: append-only file, synced every second, nothing
# evicted. Sourced after say.sh, place.sh, secrets.sh.

make_redis() {
  mkdir -p "$home/redis"
  chown redis:redis "$home/redis"
  chmod 700 "$home/redis"
}

wait_for_redis() {
  local tries
  for tries in $(seq 300); do
    redis_answers && return
    sleep 0.1
  done
  fail_with_log "Redis does not answer" "$home/log/redis/current"
}

# PONG, or an error that only a living server gives (it may be loading).
redis_answers() {
  REDISCLI_AUTH=$(<"$home/secrets/redis.password") redis-cli -s "$sockets/redis/redis.sock" ping \
    2>/dev/null </dev/null | grep -q PONG
}
