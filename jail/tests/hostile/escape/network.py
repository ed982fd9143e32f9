"""Tries: to reach a listener of the host on 127.0.0.1, an address outside, the abstract sockets of the host.
Meets: a lo of its own with nobody on it, and no route.
"""

import errno
import socket


def word(attempt):
    try:
        attempt()
        return "done"
    except OSError as error:
        return errno.errorcode.get(error.errno, "timed out")


def main(port, abstract):
    def abstract_socket():
        with socket.socket(socket.AF_UNIX) as s:
            s.connect("\0" + abstract)

    with open("/proc/self/net/dev") as file:
        interfaces = [line.split(":")[0].strip() for line in file if ":" in line]
    return {
        "interfaces": interfaces,
        "host": word(lambda: socket.create_connection(("127.0.0.1", port), 2).close()),
        "abstract": word(abstract_socket),
        "outside": word(lambda: socket.create_connection(("192.0.2.1", 80), 0.2).close()),
    }
