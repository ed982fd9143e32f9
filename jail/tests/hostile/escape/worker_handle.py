"""Tries: to signal the worker: its channel's other end tells a handle of the process that made it (SO_PEERPIDFD, SO_PEERCRED).
Meets: EINVAL for a handle from outside its pid namespace, and no number at all.
"""

import errno
import os
import signal
import socket
import struct


def word(attempt):
    try:
        attempt()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]


def reach(channel):
    pid, _, _ = struct.unpack("iii", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    met = ["nobody" if pid == 0 else word(lambda: os.kill(pid, 0))]
    try:
        handle = channel.getsockopt(socket.SOL_SOCKET, 77)
    except OSError:
        return met  # before Linux 6.5 there are none
    return met + [word(lambda: signal.pidfd_send_signal(handle, 0))]


def main(pair=False):
    if not pair:
        return reach(socket.socket(fileno=os.dup(3)))
    # As a worker and its sandbox without namespaces between them.
    _, far = socket.socketpair()
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, " ".join(reach(far)).encode())
        os._exit(0)
    os.wait()
    return os.read(read, 100).decode().split()
