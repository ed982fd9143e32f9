"""Tries: to fetch something while it is imported, where no execution is there that it would be counted for.
Meets: 403: the network is there while an execution runs.
"""

import http.client

proxy = http.client.HTTPConnection("127.0.0.1", 3128)
proxy.request("GET", "http://elsewhere.test/")
met = proxy.getresponse().reason


def main():
    return met
