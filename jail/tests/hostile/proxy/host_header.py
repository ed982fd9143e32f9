"""Tries: to ask a named host for another one that it may serve as well: an absolute address and a `Host` that is not its own.
Meets: the host is told its own name.
"""

import socket


def main(host, other):
    with socket.create_connection(("127.0.0.1", 3128)) as proxy:
        proxy.sendall(f"GET http://{host}/host HTTP/1.1\r\nHost: {other}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := proxy.recv(10000):
            answer += piece
    return answer.split(b"\r\n\r\n", 1)[1].decode()
