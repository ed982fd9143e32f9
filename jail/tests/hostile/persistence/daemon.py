"""Tries: to leave a daemon behind (twice forked, a session of its own, a sibling made with CLONE_PARENT) that meets the next call.
Meets: the template, pid 1, reaps what is dead and kills what is not before it forks the next execution.
"""

import ctypes
import os
import time

libc = ctypes.CDLL(None, use_errno=True)


def live():
    while True:
        with open("/tmp/alive", "w") as file:
            file.write("x")
        time.sleep(0.01)


def main(leave):
    if leave:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                live()
            os._exit(0)
        if libc.syscall(56, 0x8000 | 17, 0, 0, 0, 0) == 0:
            live()
        os.wait()
        time.sleep(0.05)
        return None
    time.sleep(0.1)
    others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    return [len(others), os.path.exists("/tmp/alive")]
