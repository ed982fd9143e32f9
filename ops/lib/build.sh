# shellcheck shell=bash
# Building the services, with a word every few seconds. Sourced after say.sh, place.sh.

build_packages=(-p api -p worker -p scheduler -p ops)
build_binaries=(--bin api --bin worker --bin scheduler --bin ops)

check_cargo() {
  command -v cargo >/dev/null || fail "there is no cargo on the PATH" \
    "install Rust 1.95 or newer (rustup.rs)" \
    "with sudo, keep the PATH: sudo env \"PATH=\$PATH\" ops/up"
  local free
  free=$(free_mib "$checkout")
  if ! [ -x "$checkout/target/up/api" ] && [ "${free:-9999}" -lt 2500 ]; then
    fail "there are ${free} MiB free at $checkout and the build needs about 2,500" "make room, then start again"
  fi
}

# Begins the build in the background: it is what takes longest.
begin_build() {
  build_log=$home/log/build.log
  cargo build --profile up --locked "${build_packages[@]}" "${build_binaries[@]}" --target-dir "$checkout/target" \
    --color never </dev/null >"$build_log" 2>&1 9>&- &
  build_pid=$!
}

finish_build() {
  local total said=0 done_now rc=0
  total=$(cargo tree --locked -e normal,build --prefix none "${build_packages[@]}" 2>/dev/null |
    awk '{ print $1, $2 }' | sort -u | wc -l)
  while kill -0 "$build_pid" 2>/dev/null; do
    done_now=$(grep -c '^ *Compiling' "$build_log" || true)
    if [ $(($(seconds_so_far) - said)) -ge 10 ] && [ "$done_now" -gt 0 ]; then
      step "building: $done_now of $total crates"
      said=$(seconds_so_far)
    fi
    sleep 0.2
  done
  wait "$build_pid" || rc=$?
  build_pid=
  [ $rc = 0 ] || fail_with_log "the build failed" "$build_log" "see what cargo says above"
}

stop_build() { [ -z "${build_pid:-}" ] || kill "$build_pid" 2>/dev/null || true; }
