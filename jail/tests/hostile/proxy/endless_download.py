"""Tries: to move more than its plan has, from a host that never stops.
Meets: its connection is closed at the bound, later ones are refused, and the error says so.
"""

import http.client


def main(host, most):
    proxy = http.client.HTTPConnection("127.0.0.1", 3128)
    proxy.request("GET", f"http://{host}/endless")
    answer, got = proxy.getresponse(), 0
    while got < most:
        piece = answer.read1(65536)
        if not piece:
            raise ConnectionError("the end")
        got += len(piece)
    return "all of it"
