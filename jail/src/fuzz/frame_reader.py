"""Reads cases from stdin and tells what `frames.py` makes of each.

A case is a length and as many bytes, which come over a socket in the pieces that follow: a
count, and each piece's length. Told is a line of JSON: the frames, up to the first that
isn't whole or is of another format.
"""

import json
import socket
import struct
import sys
import threading

sys.path.insert(0, sys.argv[1])
import frames


def number():
    four = sys.stdin.buffer.read(4)
    return struct.unpack(">I", four)[0] if four else None


def write(sock, data, lengths):
    with sock:
        for length in lengths:
            sock.sendall(data[:length])
            data = data[length:]


def told(data, lengths):
    near, far = socket.socketpair()
    writer = threading.Thread(target=write, args=(far, data, lengths))
    writer.start()
    got = []
    with near:
        try:
            while True:
                if len(got) % 2:
                    kind, value, body, _ = frames.receive_with_fds(near)
                else:
                    kind, value, body = frames.receive(near.fileno())
                got.append([kind, value, body.hex()])
        except frames.Closed:
            pass
        # Whatever was not wanted any more.
        while near.recv(65536):
            pass
    writer.join()
    return got


while (length := number()) is not None:
    data = sys.stdin.buffer.read(length)
    print(json.dumps(told(data, [number() for _ in range(number())])), flush=True)
