"""Tries: to have a request sent in another execution's time: it waits in a connection that nobody has accepted yet.
Meets: what waits is thrown away before the next execution.
"""

import http.client
import os
import socket
import time


def ask(host, path):
    proxy = http.client.HTTPConnection("127.0.0.1", 3128)
    proxy.request("GET", f"http://{host}{path}")
    return proxy.getresponse().read().decode()


def main(host, leave):
    if not leave:
        for _ in range(100):
            seen = ask(host, "/count/late")
            if seen != "0":
                break
            time.sleep(0.01)
        return seen
    # As many as are served at once, and those that are told so, none of which says a word.
    held = [socket.create_connection(("127.0.0.1", 3128)) for _ in range(80)]
    late = [socket.create_connection(("127.0.0.1", 3128)) for _ in range(100)]
    for connection in late:
        connection.sendall(f"GET http://{host}/late HTTP/1.1\r\n\r\n".encode())
    main_process = os.getpid()
    if os.fork() == 0:
        os.setsid()
        # Makes room once nobody waits for this execution any more.
        while os.getppid() == main_process:
            time.sleep(0.005)
        for connection in held:
            connection.close()
        time.sleep(60)
    return "left"
