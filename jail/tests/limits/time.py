"""Takes time: asleep or busy, deaf to signals, in as many processes as it is told."""

import os
import signal
import time


def spend(how, seconds):
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        try:
            if how == "asleep":
                time.sleep(seconds)
        except BaseException:
            pass


def main(how: str, seconds: float, others: int = 0):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    print("before")
    for _ in range(others):
        if os.fork() == 0:
            spend(how, seconds)
            os._exit(0)
    spend(how, seconds)
    return seconds
