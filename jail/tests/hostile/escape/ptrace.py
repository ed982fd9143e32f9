"""Tries: to trace a process of its own and to read another's memory, the way to a hundred kernel bugs.
Meets: EPERM for ptrace, process_vm_readv, kcmp, pidfd_getfd and the other calls of that kind.
"""

import ctypes
import errno
import os
import time

libc = ctypes.CDLL(None, use_errno=True)
CALLS = {"ptrace": (101, 0x4206), "process_vm_readv": (310,), "kcmp": (312,), "pidfd_getfd": (438,), "bpf": (321,), "keyctl": (250,), "userfaultfd": (323,), "io_uring_setup": (425,), "perf_event_open": (298,), "add_key": (248,)}


def main():
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
    met = {}
    for name, (number, *first) in CALLS.items():
        arguments = (*first, pid, 0, 0) if first else (pid, 0, 0, 0, 0)
        met[name] = "done" if libc.syscall(number, *arguments) >= 0 else errno.errorcode[ctypes.get_errno()]
    return met
