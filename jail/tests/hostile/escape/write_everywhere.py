"""Tries: to write to, remount and unmount every mount of `/proc/self/mountinfo`, and to write to devices.
Meets: EROFS, EACCES or EPERM everywhere but in /tmp and /dev/shm.
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


def writable(place, mounts):
    found = False
    for folder, folders, _ in os.walk(place):
        try:
            path = os.path.join(folder, "hostile")
            open(path, "w").close()
            os.unlink(path)
            found = True
        except OSError:
            pass
        # Every folder of this mount, none of another.
        folders[:] = [name for name in folders if os.path.join(folder, name) not in mounts]
    return found


def main():
    with open("/proc/self/mountinfo") as file:
        mounts = [line.split()[4] for line in file]
    written = sorted(place for place in mounts if writable(place, mounts))
    remounted = [place for place in mounts if libc.mount(None, place.encode(), None, 32, None) == 0]
    unmounted = [place for place in mounts if libc.umount2(place.encode(), 2) == 0]
    devices = []
    for name in os.listdir("/dev"):
        if name in ("random", "urandom"):
            try:
                os.write(os.open("/dev/" + name, os.O_WRONLY), b"x")
                devices.append(name)
            except OSError:
                pass
    try:
        os.mknod("/tmp/sda", 0o60666, os.makedev(8, 0))
        devices.append("sda")
    except OSError:
        pass
    return {"written": written, "remounted": remounted, "unmounted": unmounted, "devices": devices}
