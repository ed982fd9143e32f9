"""Tries: to escape its time: it stops itself, so that it uses none, and ignores every signal that can be ignored.
Meets: the worker's clock, which nothing inside can hold: `timeout`.
"""

import os
import signal
import time


def main(seconds):
    for number in range(1, 65):
        try:
            if number != signal.SIGCHLD:
                signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    signal.pthread_sigmask(signal.SIG_SETMASK, range(1, 65))
    me = os.getpid()
    if os.fork() == 0:
        time.sleep(seconds)
        os.kill(me, signal.SIGCONT)
        os._exit(0)
    if seconds:
        os.kill(me, signal.SIGSTOP)
    return seconds
