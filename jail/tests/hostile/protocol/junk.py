"""Tries: junk on every descriptor it has.
Meets: what is no frame is no answer: `killed`, and the sandbox is gone.
"""

import os


def main(junk):
    if junk:
        for fd in range(3, 256):
            try:
                os.write(fd, junk.encode() * 10)
            except OSError:
                pass
    return "real"
