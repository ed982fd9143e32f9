"""Tries: to go on when `main` is over: a thread that nobody waits for in vain, and what is registered for the end.
Meets: the process ends with its answer: no thread is waited for, no handler runs.
"""

import atexit
import os
import threading
import time

MARK = "/tmp/patchbay-late-"


def late(name):
    time.sleep(0.1)
    open(MARK + name, "w").close()


def main(leave=None, then=0):
    if leave:
        threading.Thread(target=late, args=("thread",)).start()
        atexit.register(late, "handler")
        return None
    time.sleep(then)
    found = [name for name in ("thread", "handler") if os.path.exists(MARK + name)]
    for name in found:
        os.unlink(MARK + name)
    return found
