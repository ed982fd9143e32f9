"""Tries: to hold the worker up: it sends it a socket whose closing waits for a peer that never reads (SO_LINGER).
Meets: EPERM for SO_LINGER, in numbers of 64 bits as well; and EPERM for the sending, where the kernel can refuse that.
"""

import array
import ctypes
import errno
import os
import socket
import struct
import time

libc = ctypes.CDLL(None, use_errno=True)
LINGER = struct.pack("ii", 1, 30)


def linger(end, more):
    done = libc.syscall(54, end.fileno(), ctypes.c_long(1 | more), ctypes.c_long(13 | more), LINGER, 8)
    return "done" if done == 0 else errno.errorcode[ctypes.get_errno()]


def full(listener):
    """A connection that can't be closed in order: nobody reads what it has sent."""
    near = socket.create_connection(listener.getsockname())
    met = {linger(near, 0), linger(near, 1 << 32)}
    near.setblocking(False)
    try:
        while True:
            near.send(bytes(65536))
    except BlockingIOError:
        return near, sorted(met)


def send(listener, part):
    """One part of the frame, with such a socket. Whether the worker was left with the last copy of it: who closes
    that waits, and here that would be this helper."""
    helper = os.fork()
    if helper == 0:
        near, _ = full(listener)
        channel = socket.socket(fileno=os.dup(3))
        channel.sendmsg([part], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [near.fileno()]))])
        near.close()
        os._exit(0)
    far, _ = listener.accept()
    for _ in range(100):
        if os.waitpid(helper, os.WNOHANG)[0]:
            return True, far
        time.sleep(0.002)
    return False, far


def main(hold):
    listener = socket.create_server(("127.0.0.1", 0))
    if not hold:
        return full(listener)[1]
    body = b'"answered"'
    frame = struct.pack(">BBHIQ", 1, 48, 0, len(body), 0) + body
    kept = []
    for at in range(len(frame)):
        won, far = send(listener, frame[at : at + 1])
        kept.append(far)
        if won:
            os.write(3, frame[at + 1 :])
            break
    time.sleep(hold)
    os._exit(0)
