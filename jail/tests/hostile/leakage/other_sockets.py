"""Tries: to meet another tenant: its listener on a port, its abstract socket, what it prints there.
Meets: nobody: each sandbox has a network of its own.
"""

import errno
import socket
import time

PORT, NAME = 47_123, "\0patchbay-meeting"


def listeners():
    tcp, unix = socket.socket(), socket.socket(socket.AF_UNIX)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind(("127.0.0.1", PORT))
    unix.bind(NAME)
    return [tcp, unix]


def main(offer=0):
    if offer:
        open_ones = listeners()
        for one in open_ones:
            one.listen()
        time.sleep(offer)
        return None
    met = []
    for family, address in ((socket.AF_INET, ("127.0.0.1", PORT)), (socket.AF_UNIX, NAME)):
        with socket.socket(family) as one:
            try:
                one.connect(address)
                met.append("done")
            except OSError as error:
                met.append(errno.errorcode[error.errno])
    return met
