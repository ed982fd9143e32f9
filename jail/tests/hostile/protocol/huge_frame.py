"""Tries: to fill the worker's memory through the channel: a frame that is announced as 4 GiB, bytes without end.
Meets: `output_too_large` as soon as more has come than an answer may have.
"""

import os
import struct


def main(mib):
    if mib == 0:
        return "real"
    os.write(3, struct.pack(">BBHIQ", 1, 48, 0, 0xFFFFFFFF, 0))
    for _ in range(mib):
        block = memoryview(bytes(1 << 20))
        while block:
            block = block[os.write(3, block) :]
    os._exit(0)
