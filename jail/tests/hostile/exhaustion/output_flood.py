"""Tries: to keep the worker busy and its memory full with endless output.
Meets: 256 KiB are kept, the rest is dropped unread by anybody, and past 64 MiB the execution ends `output_too_large`.
"""

import os


def main(mib):
    block = bytes(1 << 16)
    for number in range(mib << 4):
        os.write(1 + number % 2, block)
    return mib
