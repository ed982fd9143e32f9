"""Tries: to crash, so that the kernel writes a core file, or starts the program of the host that a core pattern names.
Meets: a core limit of one byte, hard: no file, no program; and the limit can't be raised.
"""

import os
import resource
import signal


def main():
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        raised = True
    except (OSError, ValueError):
        raised = False
    pid = os.fork()
    if pid == 0:
        os.chdir("/tmp")
        os.kill(os.getpid(), signal.SIGSEGV)
    _, status = os.waitpid(pid, 0)
    return {"raised": raised, "died of": os.WTERMSIG(status), "dumped": os.WCOREDUMP(status)}
