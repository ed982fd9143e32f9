"""Tries: a result by hand that is no JSON, to break whoever reads it: cut, too deep, half a surrogate, no number.
Meets: the worker reads each result once: `killed`.
"""

import os
import struct


def main(body):
    if body is None:
        return "real"
    if body == "deep":
        body = "[" * 200 + "]" * 200
    os.write(3, struct.pack(">BBHIQ", 1, 48, 0, len(body), 0) + body.encode())
    os._exit(0)
