"""Tries: to lift its limits: in a namespace of its own it mounts the tree of the groups, and writes there.
Meets: EPERM for the namespace and for the mount; there is no tree to be seen.
"""

import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)
NEWUSER, NEWNS, NEWCGROUP = 0x10000000, 0x00020000, 0x02000000


def word(result):
    return "done" if result >= 0 else errno.errorcode[ctypes.get_errno()]


def attempt():
    met = [word(libc.unshare(NEWUSER | NEWNS | NEWCGROUP))]
    os.makedirs("/tmp/groups", exist_ok=True)
    met.append(word(libc.mount(b"none", b"/tmp/groups", b"cgroup2", 0, None)))
    met.append(os.path.exists("/tmp/groups/cgroup.procs"))
    return met


def main():
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, repr(attempt()).encode())
        os._exit(0)
    os.wait()
    return {"met": eval(os.read(read, 1000)), "seen": [path for path in ("/sys/fs", "/proc/cgroups") if os.path.exists(path)]}
