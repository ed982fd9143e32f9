"""Tries: to be waited for without end: it closes every descriptor, or shuts its channel down, and stays.
Meets: `exit` where it ends, `timeout` where it doesn't.
"""

import os
import socket
import time


def main(how, seconds=0):
    if how == "close":
        os.closerange(0, 256)
    elif how == "shut down":
        socket.socket(fileno=3).shutdown(socket.SHUT_RDWR)
    time.sleep(seconds)
    return "real"
