"""Tries: the personality of an old program: no random addresses, all memory executable.
Meets: EPERM; asking what it is is allowed.
"""

import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC, ASK = 0x0040000, 0x0400000, 0xFFFFFFFF


def main():
    met = "done" if libc.syscall(135, ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC) >= 0 else errno.errorcode[ctypes.get_errno()]
    return [met, libc.syscall(135, ASK)]
