"""Tries: half a frame and the end: a header alone, a body that is shorter than it says.
Meets: `killed`; nothing of it is taken for a result.
"""

import os
import struct


def main(length, body):
    if length == 0:
        return "real"
    os.write(3, struct.pack(">BBHIQ", 1, 48, 0, length, 0)[: 16 if body else 7] + body.encode())
    os._exit(0)
