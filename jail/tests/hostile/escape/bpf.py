"""Tries: a program or a map in the kernel (bpf), and its counters (perf_event_open).
Meets: EPERM for both.
"""

import ctypes
import errno
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)


def word(result):
    if result >= 0:
        os.close(result)
        return "done"
    return errno.errorcode[ctypes.get_errno()]


def main():
    array = ctypes.create_string_buffer(struct.pack("IIII", 2, 4, 4, 1), 128)
    clock = ctypes.create_string_buffer(struct.pack("IIQ", 1, 128, 0), 128)
    return {
        "bpf": word(libc.syscall(321, 0, array, 128)),
        "perf_event_open": word(libc.syscall(298, clock, 0, -1, -1, 0)),
    }
