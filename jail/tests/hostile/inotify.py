"""Tries: to take every inotify instance, which the kernel counts over all sandboxes of the host together.
Meets: ENOSYS; another tenant is as well off as before.
"""

import ctypes
import errno
import time

libc = ctypes.CDLL(None, use_errno=True)


def main(most, hold=0):
    got = 0
    for _ in range(most):
        if libc.inotify_init1(0) < 0:
            break
        got += 1
    why = errno.errorcode.get(ctypes.get_errno()) if got < most else None
    if hold:
        print("holding", flush=True)
        time.sleep(hold)
    return [got, why]
