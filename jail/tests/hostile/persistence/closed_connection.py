"""Tries: to leave a connection behind: the kernel remembers who closed first for a minute, with both ports.
Meets: closed connections are forgotten at once: nothing to read for the next execution, and the port is free.
"""

import errno
import socket

PORT = 47_321


def main(leave):
    if leave:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", PORT))
            listener.listen()
            near = socket.create_connection(("127.0.0.1", PORT))
            far, _ = listener.accept()
            # The server's side first: it keeps the port.
            far.close()
            near.close()
        return None
    with open("/proc/self/net/tcp") as table:
        seen = "%04X" % PORT in table.read()
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", PORT))
            return [seen, "free"]
        except OSError as error:
            return [seen, errno.errorcode[error.errno]]
