"""Tries: to have one address checked and another one connected to: its name leads elsewhere at the second look-up.
Meets: 502 from the address that was checked, and 403 when the other one is: one look-up for each connection.
"""

import http.client


def main(host):
    proxy = http.client.HTTPConnection("127.0.0.1", 3128)
    proxy.request("GET", f"http://{host}/")
    return proxy.getresponse().status
