"""Tries: a failure by hand whose message is as long as a result may be, longer than the runner ever sends.
Meets: `killed`: a failure has a bound of its own.
"""

import json
import os
import struct


def main(length):
    if length:
        body = json.dumps({"code": "exception", "message": "x" * length}).encode()
        frame = memoryview(struct.pack(">BBHIQ", 1, 49, 0, len(body), 0) + body)
        while frame:
            frame = frame[os.write(3, frame) :]
        os._exit(0)
    return "real"
