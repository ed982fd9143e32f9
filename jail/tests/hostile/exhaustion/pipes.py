"""Tries: to use memory that no process owns: what waits in pipes and sockets.
Meets: it is charged to the plan's memory like any other; the execution ends `out_of_memory`.
"""

import fcntl
import os
import socket


def main(mib, how):
    kept = []
    filled = 0
    while filled < mib << 20:
        if how == "pipes":
            near = os.pipe()
            kept.append(near)
            try:
                fcntl.fcntl(near[1], 1031, 1 << 20)  # F_SETPIPE_SZ
            except OSError:
                pass
            os.set_blocking(near[1], False)
            write = lambda block, fd=near[1]: os.write(fd, block)
        else:
            pair = socket.socketpair()
            kept.append(pair)
            pair[0].setblocking(False)
            write = pair[0].send
        try:
            while filled < mib << 20:
                filled += write(bytes(1 << 16))
        except BlockingIOError:
            pass
    return mib
