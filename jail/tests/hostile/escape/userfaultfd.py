"""Tries: userfaultfd, by which a page fault in the middle of a call of the kernel waits as long as one likes.
Meets: EPERM.
"""

import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
USER_MODE_ONLY = 1


def main():
    return "done" if libc.syscall(323, USER_MODE_ONLY) >= 0 else errno.errorcode[ctypes.get_errno()]
