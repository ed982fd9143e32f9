"""Tries: to change what the template passes on to later executions: limits, niceness, affinity, policy.
Meets: EPERM for each: the template has another uid.
"""

import os
import resource


def main():
    changed = []
    tries = {
        "prlimit": lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (8, 8)),
        "nice": lambda: os.setpriority(os.PRIO_PROCESS, 1, 19),
        "affinity": lambda: os.sched_setaffinity(1, {0}),
        "policy": lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)),
    }
    for name, attempt in tries.items():
        try:
            attempt()
            changed.append(name)
        except OSError:
            pass
    return changed
