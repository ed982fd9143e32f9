"""Tries: to run on after its answer, when it holds no slot any more and nobody counts: burning time, or only staying.
Meets: a tenth of a second of the processor or two of the clock, then the sandbox is killed.
"""

import os
import struct
import time


def main(burn=0, stay=0):
    if burn or stay:
        body = b'"forged"'
        os.write(3, struct.pack(">BBHIQ", 1, 48, 0, len(body), 0) + body)
        until = time.process_time() + burn
        while time.process_time() < until:
            pass
        time.sleep(stay)
        os._exit(0)
    return "real"
