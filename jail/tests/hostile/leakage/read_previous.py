"""Tries: to find what an earlier execution was given: in files, shared memory, other processes.
Meets: empty folders and no process but its own; each execution is a fork of the same template.
"""

import os
import time

KEPT = []


def main(leave=None):
    if leave is not None:
        KEPT.append(leave)
        os.environ["LEFT"] = leave
        for folder in ("/tmp", "/dev/shm"):
            with open(folder + "/left", "w") as file:
                file.write(leave)
        if os.fork() == 0:
            os.setsid()
            os.execv("/usr/bin/sleep", ["sleep", "61"])
        time.sleep(0.05)
        return None
    found = list(KEPT)
    for folder in ("/tmp", "/dev/shm"):
        found += [folder + "/" + name for name in os.listdir(folder)]
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            found.append("process")
    return found + [word for name, word in os.environ.items() if name == "LEFT"]
