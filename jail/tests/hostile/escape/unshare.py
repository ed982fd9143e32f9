"""Tries: a user namespace of its own, in which it would be root before the whole kernel: by unshare, clone, clone3.
Meets: EPERM, EPERM, ENOSYS.
"""

import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)
NEWUSER, NEWNS, SIGCHLD = 0x10000000, 0x00020000, 17


def word(result):
    return "done" if result >= 0 else errno.errorcode[ctypes.get_errno()]


def in_child(attempt):
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, attempt().encode())
        os._exit(0)
    os.close(write)
    os.wait()
    return os.read(read, 100).decode()


def clone(number, *arguments):
    me = os.getpid()
    result = libc.syscall(number, *arguments)
    if os.getpid() != me or result == 0:
        os._exit(0)
    return word(result)


def main():
    return {
        "unshare": in_child(lambda: word(libc.unshare(NEWUSER | NEWNS))),
        "clone": in_child(lambda: clone(56, NEWUSER | SIGCHLD, 0, 0, 0, 0)),
        "clone3": in_child(lambda: clone(435, 0, 0)),
        "setns": in_child(lambda: word(libc.setns(os.open("/proc/self/ns/user", os.O_RDONLY), 0))),
        "chroot": in_child(lambda: word(libc.chroot(b"/tmp"))),
    }
