"""Takes so many MiB by one of the roads to memory, and holds them until the end."""

import fcntl
import mmap
import os
import socket

MIB = 1 << 20


def touch(block, mib):
    for at in range(0, mib * MIB, 4096):
        block[at] = 1
    return block


def heap(mib):
    return b"x" * (mib * MIB)


def shared(mib):
    return touch(mmap.mmap(-1, mib * MIB), mib)


def memfd(mib):
    fd = os.memfd_create("held")
    for _ in range(mib):
        os.write(fd, b"x" * MIB)
    return fd


def file(path, mib):
    with open(path, "wb") as held:
        for _ in range(mib):
            held.write(b"x" * MIB)


def pipes(mib):
    ends = []
    for _ in range(mib):
        ends.append(os.pipe())
        fcntl.fcntl(ends[-1][1], 1031, MIB)  # F_SETPIPE_SZ
        os.write(ends[-1][1], b"x" * MIB)
    return ends


def sockets(mib):
    left, pairs = mib * MIB, []
    while left > 0:
        pairs.append(socket.socketpair())
        for end in pairs[-1]:
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MIB)
            try:
                while left > 0:
                    left -= end.send(b"x" * min(left, 1 << 16))
            except BlockingIOError:
                pass
    return pairs


def processes(mib):
    """A MiB each: none of them is large."""
    ready, told = os.pipe()
    for _ in range(mib):
        if os.fork() == 0:
            block = touch(mmap.mmap(-1, MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), 1)
            os.write(told, b"x")
            os.read(os.pipe()[0], 1)
    for _ in range(mib):
        os.read(ready, 1)


def main(road: str, mib: int):
    roads = {
        "heap": heap,
        "shared": shared,
        "memfd": memfd,
        "tmp": lambda mib: file("/tmp/held", mib),
        "shm": lambda mib: file("/dev/shm/held", mib),
        "pipes": pipes,
        "sockets": sockets,
        "processes": processes,
    }
    held = roads[road](mib)
    return road
