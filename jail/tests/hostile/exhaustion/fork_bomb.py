"""Tries: to fork until the host has no process left.
Meets: EAGAIN at the plan's bound; the execution ends `too_many_processes`, its children are killed.
"""

import os
import time


def main(most):
    for _ in range(most):
        if os.fork() == 0:
            time.sleep(60)
    return most
