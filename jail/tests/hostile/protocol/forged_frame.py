"""Tries: to speak for the runner: a result of its own on the channel before the real one, junk on every descriptor.
Meets: the first whole frame is the answer, for its own call alone; what follows it costs the sandbox,
and what is no frame is `killed`.
"""

import os
import struct


def main(how):
    if how == "forge":
        body = b'"forged"'
        os.write(3, struct.pack(">BBHIQ", 1, 48, 0, len(body), 0) + body)
    elif how == "answer and stay":
        body = b'"forged"'
        os.write(3, struct.pack(">BBHIQ", 1, 48, 0, len(body), 0) + body)
        while True:
            pass
    elif how == "answer and sleep":
        import time

        body = b'"forged"'
        os.write(3, struct.pack(">BBHIQ", 1, 48, 0, len(body), 0) + body)
        time.sleep(3600)
    elif how == "junk":
        for fd in range(3, 256):
            try:
                os.write(fd, b"junk" * 10)
            except OSError:
                pass
    elif how == "long":
        os.write(3, struct.pack(">BBHIQ", 1, 48, 0, 0xFFFFFFFF, 0))
    elif how == "endless":
        while True:
            os.write(3, bytes(65536))
    elif how == "not json":
        os.write(3, struct.pack(">BBHIQ", 1, 48, 0, 5, 0) + b"{\"a\":")
        os._exit(0)
    elif how == "close":
        os.closerange(0, 256)
    elif how == "descriptors":
        import array
        import socket

        with socket.socket(fileno=os.dup(3)) as channel:
            for _ in range(5):
                channel.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 200))])
    return "real"
