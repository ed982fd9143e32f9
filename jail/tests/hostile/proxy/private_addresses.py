"""Tries: to get inside by names that lead there: loopback, private, link-local and metadata addresses, alone and beside a good one.
Meets: 403 for each.
"""

import http.client


def main(hosts):
    met = []
    for host in hosts:
        proxy = http.client.HTTPConnection("127.0.0.1", 3128)
        proxy.request("GET", f"http://{host}/")
        met.append(proxy.getresponse().status)
    return met
