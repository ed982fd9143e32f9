"""Tries: to take every inotify instance, which the kernel counts over all sandboxes of the host together.
Meets: ENOSYS; another tenant is as well off as before.
"""

import ctypes
import errno
import os
import time

libc = ctypes.CDLL(None, use_errno=True)
EACH = 200  # descriptors of one process


def take(most, hold):
    """As many instances as there are, up to `most`; with `hold`, waits for those that others have."""
    got, why = 0, 0
    while got < most:
        if libc.inotify_init1(0) >= 0:
            got += 1
            continue
        why = ctypes.get_errno()
        if not hold or why != errno.EMFILE:
            break
        time.sleep(0.01)
    return got, why


def main(most, hold=0):
    read, write = os.pipe()
    parts = [EACH] * (most // EACH) + [most % EACH]
    for part in parts:
        if os.fork() == 0:
            os.write(write, b"%d %d\n" % take(part, hold))
            time.sleep(600)
    os.close(write)
    told = b""
    while told.count(b"\n") < len(parts):
        told += os.read(read, 4096)
    time.sleep(hold)
    each = [line.split() for line in told.decode().splitlines()]
    why = max(int(reason) for _, reason in each)
    return [sum(int(got) for got, _ in each), errno.errorcode.get(why)]
