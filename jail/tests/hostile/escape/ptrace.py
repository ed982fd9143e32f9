"""Tries: to trace a process of its own and to read another's memory, the way to a hundred kernel bugs.
Meets: EPERM for ptrace, process_vm_readv and writev, kcmp and pidfd_getfd.
"""

import ctypes
import errno
import os
import time

libc = ctypes.CDLL(None, use_errno=True)
CALLS = {"ptrace": (101, 0x4206), "process_vm_readv": (310,), "process_vm_writev": (311,), "kcmp": (312,), "pidfd_getfd": (438,)}


def main():
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
    met = {}
    for name, (number, *first) in CALLS.items():
        arguments = (*first, pid, 0, 0) if first else (pid, 0, 0, 0, 0)
        met[name] = "done" if libc.syscall(number, *arguments) >= 0 else errno.errorcode[ctypes.get_errno()]
    return met
