"""Tries: to leave something on the one open file that all executions share, standard input: flags, a lock that others wait for.
Meets: /dev/null opened anew for each execution.
"""

import errno
import fcntl
import os


def main(leave):
    if leave:
        fcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)
        fcntl.flock(0, fcntl.LOCK_EX)
        return None
    flags = fcntl.fcntl(0, fcntl.F_GETFL) & (os.O_NONBLOCK | os.O_APPEND)
    # By an open file of its own, as another program would.
    other = os.open("/dev/null", os.O_RDWR)
    try:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return [bool(flags), "free"]
    except OSError as error:
        return [bool(flags), errno.errorcode[error.errno]]
