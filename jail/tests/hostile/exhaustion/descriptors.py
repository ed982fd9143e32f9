"""Tries: descriptors without end, and more of them in flight between sockets of its own.
Meets: EMFILE at 256, hard; ETOOMANYREFS or EMFILE for those in flight.
"""

import array
import errno
import os
import resource
import socket


def main(most):
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except ValueError:
        pass
    near, far = socket.socketpair()
    near.setblocking(False)
    flying, why = 0, None
    while flying < most:
        try:
            near.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 100))])
            flying += 100
        except OSError as error:
            why = errno.errorcode[error.errno]
            break
    opened = 0
    try:
        while opened < most:
            os.open("/dev/null", os.O_RDONLY)
            opened += 1
    except OSError as error:
        return [opened, errno.errorcode[error.errno], flying <= 1_000 or why]
    return [opened, None, flying <= 1_000 or why]
