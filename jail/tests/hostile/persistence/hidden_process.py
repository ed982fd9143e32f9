"""Tries: a process that the template can't see: the import makes it so that its end sends no signal, and it hands words on.
Meets: children of every kind are looked for: the version is single-use, a sandbox for each execution.
"""

import ctypes
import os
import socket

libc = ctypes.CDLL(None, use_errno=True)
NAME = "\0patchbay-hidden"


def hand_on():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(NAME)
    listener.listen()
    told = b""
    while True:
        end, _ = listener.accept()
        end.sendall(told + b"\n")
        told = end.makefile("rb").readline().strip() or told
        end.close()


ready, begun = os.pipe()
# A clone without an exit signal: `waitpid` alone says that there is no child.
if libc.syscall(56, 0, 0, 0, 0, 0) == 0:
    os.close(0), os.close(3), os.write(begun, b"x")
    hand_on()
os.read(ready, 1)
os.close(ready), os.close(begun)


def main(leave=""):
    with socket.socket(socket.AF_UNIX) as end:
        for _ in range(1_000):
            try:
                end.connect(NAME)
                break
            except ConnectionRefusedError:
                os.sched_yield()
        told = end.makefile("rb").readline().strip()
        end.sendall(leave.encode() + b"\n")
        return told.decode()
