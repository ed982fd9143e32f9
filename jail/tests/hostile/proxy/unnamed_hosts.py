"""Tries: to reach hosts that nobody named: another name, another port, a name below, a name around, and the address itself.
Meets: 403 for each, before anything is looked up.
"""

import http.client


def main(hosts):
    met = []
    for host in hosts:
        proxy = http.client.HTTPConnection("127.0.0.1", 3128)
        proxy.request("GET", f"http://{host}/")
        met.append(proxy.getresponse().status)
    return met
