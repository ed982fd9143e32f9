"""Uses processor time, shared among processes, and says how much it was by its own count."""

import os
import time


def burn(seconds):
    begun = time.process_time()
    while time.process_time() - begun < seconds:
        pass


def main(seconds: float, processes: int = 1):
    for _ in range(processes - 1):
        if os.fork() == 0:
            burn(seconds / processes)
            os._exit(0)
    burn(seconds / processes)
    for _ in range(processes - 1):
        os.wait()
    return processes
