"""Tries: to have two requests taken for one, the second to a host that nobody named: behind the first, in its body, between two lengths.
Meets: each is decided on by itself, and the named host is sent nothing that it could take for two.
"""

import socket


def statuses(text):
    with socket.create_connection(("127.0.0.1", 3128)) as proxy:
        proxy.settimeout(0.5)
        proxy.sendall(text.encode("latin-1"))
        answer = b""
        try:
            while piece := proxy.recv(10000):
                answer += piece
        except TimeoutError:
            pass
    return [int(line.split(b" ")[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def main(host, other, how):
    named, hidden = f"http://{host}/echo", f"GET http://{other}/hidden HTTP/1.1\r\n\r\n"
    chunk = f"{len(hidden):x}\r\n{hidden}\r\n0\r\n\r\n"
    return statuses({
        "behind": f"GET {named} HTTP/1.1\r\n\r\n" + hidden,
        "in the body": f"POST {named} HTTP/1.1\r\nContent-Length: {len(hidden)}\r\n\r\n" + hidden,
        "two lengths": f"POST {named} HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: {len(hidden)}\r\n\r\n" + hidden,
        "length and chunks": f"POST {named} HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk,
        "odd chunks": f"POST {named} HTTP/1.1\r\nTransfer-Encoding: x, chunked, identity\r\n\r\n" + chunk,
        "a bare newline": f"GET {named} HTTP/1.1\nX: y\n\n" + hidden,
        "a folded line": f"GET {named} HTTP/1.1\r\nX: y\r\n {hidden}",
        "in the address": f"GET {named}%20HTTP/1.1%0d%0a%0d%0aGET%20http://{other}/ HTTP/1.1\r\n\r\n",
    }[how])
