"""Tries: to queue signals without end, which the kernel counts over all sandboxes of the host together.
Meets: 256 of its own at most (EAGAIN); another tenant can still queue its own.
"""

import ctypes
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)


def main(most):
    signal.pthread_sigmask(signal.SIG_BLOCK, [40])
    queued = 0
    while queued < most and libc.sigqueue(os.getpid(), 40, ctypes.c_void_p(1)) == 0:
        queued += 1
    return queued
