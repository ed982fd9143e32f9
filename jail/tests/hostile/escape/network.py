"""Tries: to reach a listener of the host on 127.0.0.1, an address outside, the abstract sockets of the host, netlink.
Meets: a lo of its own with nobody on it, no route, no such address family.
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
        "netlink": word(lambda: socket.socket(16, socket.SOCK_RAW, 0)),
        "packet": word(lambda: socket.socket(17, socket.SOCK_RAW, 3)),
        "raw": word(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
    }
