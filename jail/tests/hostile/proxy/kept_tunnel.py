"""Tries: to leave a tunnel behind: a daemon holds it, and speaks through it when its execution is over.
Meets: it is closed with the answer, and the daemon is dead.
"""

import os
import socket
import time


def main(host=None, look=False):
    if look:
        for _ in range(200):
            if os.path.exists("/tmp/said"):
                with open("/tmp/said") as file:
                    return file.read()
            time.sleep(0.01)
        return "nothing"
    tunnel = socket.create_connection(("127.0.0.1", 3128))
    tunnel.sendall(f"CONNECT {host} HTTP/1.1\r\n\r\n".encode())
    status = tunnel.recv(1000).split(b" ")[1].decode()
    main_process = os.getpid()
    if os.fork() == 0:
        os.setsid()
        while os.getppid() == main_process:
            time.sleep(0.005)
        time.sleep(0.2)
        tunnel.sendall(b"GET /bytes/3 HTTP/1.1\r\n\r\n")
        answer = tunnel.recv(1000)
        with open("/tmp/saying", "w") as file:
            file.write(answer.split(b"\r\n")[0].decode())
        os.rename("/tmp/saying", "/tmp/said")
        os._exit(0)
    return status
