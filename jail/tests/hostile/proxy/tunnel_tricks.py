"""Tries: tunnels to an address in spellings that a list could miss: decimal, octal, hexadecimal, short, mapped, with a user, as a whole address.
Meets: 400 for what is no host and port, 403 for the rest.
"""

import socket

SPELLED = [
    "127.0.0.1:{}", "2130706433:{}", "0x7f000001:{}", "0177.0.0.1:{}", "127.1:{}", "127.0.0.1.:{}", "localhost:{}",
    "[::ffff:127.0.0.1]:{}", "[::ffff:7f00:1]:{}", "[::1]:{}", "[::]:{}", "0.0.0.0:{}", "127.0.0.1:0{}",
]
BROKEN = [
    "named.test@127.0.0.1:{}", "http://127.0.0.1:{}/", "127.0.0.1:+{}", "127.0.0.1:{}#", "127.0.0.1 :{}", "[::1%25lo]:{}", "127.0.0.1",
    "127.0.0.1:{}\tHTTP/1.0", "",
]


def main(port):
    met = {}
    for host in SPELLED + BROKEN:
        with socket.create_connection(("127.0.0.1", 3128)) as proxy:
            proxy.sendall(f"CONNECT {host.format(port)} HTTP/1.1\r\n\r\n".encode())
            met[host] = int((proxy.recv(1000).split(b" ") + [b"0", b"0"])[1] or 0)
    return [{host: met[host] for host in SPELLED if met[host] != 403}, {host: met[host] for host in BROKEN if met[host] != 400}]
