"""Tries: to speak for the runner: a result of its own on the channel, before the real one.
Meets: the first whole frame is the answer, for its own call alone; what follows it costs the sandbox.
"""

import os
import struct


def main(forge):
    if forge:
        body = b'"forged"'
        os.write(3, struct.pack(">BBHIQ", 1, 48, 0, len(body), 0) + body)
        # The real one follows at once, or when the worker has taken the first.
    return "real"
