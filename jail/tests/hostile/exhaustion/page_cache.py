"""Tries: to slow everybody down: it has the kernel forget a file that all sandboxes read, over and over (POSIX_FADV_DONTNEED).
Meets: the advice is taken and not followed, in numbers of 64 bits as well: the file is still in memory.
"""

import ctypes
import os
import resource

libc = ctypes.CDLL(None, use_errno=True)
DONTNEED = 4
FILE = "/usr/lib/python3.11/uu.py"


def blocks(fd):
    """How many blocks reading it takes from the disk."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_inblock
    os.pread(fd, 1 << 16, 0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_inblock - before


def main():
    fd = os.open(FILE, os.O_RDONLY)
    met = []
    for more in (0, 1 << 32):
        blocks(fd)
        met.append(libc.syscall(221, fd, ctypes.c_long(0), ctypes.c_long(0), ctypes.c_long(DONTNEED | more)))
        met.append(blocks(fd))
    return met
