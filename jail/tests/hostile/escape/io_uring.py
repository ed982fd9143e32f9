"""Tries: io_uring, by which the kernel makes calls that no filter sees.
Meets: EPERM.
"""

import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)


def main():
    parameters = ctypes.create_string_buffer(120)
    return "done" if libc.syscall(425, 4, parameters) >= 0 else errno.errorcode[ctypes.get_errno()]
