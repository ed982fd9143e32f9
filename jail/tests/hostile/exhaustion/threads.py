"""Tries: threads without end, each with a stack of its own.
Meets: the plan's bound counts threads as processes; the execution ends `too_many_processes`.
"""

import threading


def main(most):
    begun = threading.Event()
    for _ in range(most):
        threading.Thread(target=begun.wait, daemon=True).start()
    begun.set()
    return most
