"""Tries: to fill the worker's table of descriptors: it sends it two hundred of its own with its answer.
Meets: EPERM where the kernel can refuse them (6.16); before that the worker takes none, and they are thrown away.
"""

import array
import errno
import os
import socket
import struct


def main():
    body = b'"sent"'
    frame = struct.pack(">BBHIQ", 1, 48, 0, len(body), 0) + body
    with socket.socket(fileno=os.dup(3)) as channel:
        try:
            channel.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 200))])
        except OSError as error:
            return errno.errorcode[error.errno]
    os._exit(0)
