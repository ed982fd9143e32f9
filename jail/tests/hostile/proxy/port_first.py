"""Tries: to be the proxy: its import takes the port, alone and beside whoever has it, to hear what later executions say.
Meets: EADDRINUSE: the listener is there before the code.
"""

import errno
import socket

met = set()
for option in (None, socket.SO_REUSEADDR, socket.SO_REUSEPORT):
    for address in ("127.0.0.1", "0.0.0.0", ""):
        with socket.socket() as listener:
            if option:
                listener.setsockopt(socket.SOL_SOCKET, option, 1)
            try:
                listener.bind((address, 3128))
                listener.listen()
                met.add("done")
            except OSError as error:
                met.add(errno.errorcode[error.errno])


def main():
    return sorted(met)
