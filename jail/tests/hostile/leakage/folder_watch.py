"""Tries: to learn what another tenant reads: it watches a folder of the library, which is the same for all sandboxes.
Meets: EPERM for F_NOTIFY, in numbers of 64 bits as well; inotify and fanotify are refused elsewhere.
"""

import ctypes
import errno
import os
import signal
import time

libc = ctypes.CDLL(None, use_errno=True)
NOTIFY, ACCESS, AGAIN = 1026, 1, 1 << 31
FOLDER = "/usr/lib/python3.11"


def main(read=0, watch=0):
    if read:
        until = time.monotonic() + read
        while time.monotonic() < until:
            with open(FOLDER + "/wave.py") as file:
                file.read(10)
            time.sleep(0.01)
        return None
    heard = []
    signal.signal(signal.SIGIO, lambda *_: heard.append(1))
    fd = os.open(FOLDER, os.O_RDONLY)
    words = set()
    for more in (0, 1 << 32):
        done = libc.syscall(72, fd, ctypes.c_long(NOTIFY | more), ctypes.c_long(ACCESS | AGAIN))
        words.add("done" if done >= 0 else errno.errorcode[ctypes.get_errno()])
    time.sleep(watch)
    return [sorted(words), bool(heard)]
