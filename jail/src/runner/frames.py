"""Frames on a socket: 16 bytes of header, then opaque bytes. See `frame.rs`."""

import _socket
from _struct import Struct
from posix import read, write

FORMAT = 1
BIND, NEXT = 2, 3
READY, BOUND, ENDED = 16, 17, 18
REQUEST, RESULT, FAILURE = 32, 48, 49
SWEPT, DIRTY = 1, 2

HEAD = Struct(">BBHIQ")
FD = Struct("i")
RIGHTS = _socket.CMSG_SPACE(3 * FD.size)
SOL_SOCKET, SCM_RIGHTS = _socket.SOL_SOCKET, _socket.SCM_RIGHTS


class Closed(Exception):
    """The other side is gone."""


def take(fd, length):
    """Exactly `length` bytes."""
    got = read(fd, length)
    if len(got) == length:
        return got
    parts = [got]
    left = length - len(got)
    while left:
        if not got:
            raise Closed
        got = read(fd, min(left, 1 << 20))
        parts.append(got)
        left -= len(got)
    return b"".join(parts)


def receive(fd):
    """kind, value, bytes."""
    form, kind, _, length, value = HEAD.unpack(take(fd, 16))
    if form != FORMAT:
        raise Closed
    return kind, value, take(fd, length) if length else b""


def receive_with_fds(sock):
    """kind, value, bytes, descriptors; the descriptors come with the header's first byte."""
    head, rights, _, _ = sock.recvmsg(16, RIGHTS)
    if not head:
        raise Closed
    fds = []
    for level, sort, data in rights:
        if level == SOL_SOCKET and sort == SCM_RIGHTS:
            fds += [FD.unpack_from(data, at)[0] for at in range(0, len(data), FD.size)]
    if len(head) < 16:
        head += take(sock.fileno(), 16 - len(head))
    form, kind, _, length, value = HEAD.unpack(head)
    if form != FORMAT:
        raise Closed
    return kind, value, take(sock.fileno(), length) if length else b"", fds


def send(fd, kind, value, body):
    rest = memoryview(HEAD.pack(FORMAT, kind, 0, len(body), value) + body)
    while rest:
        rest = rest[write(fd, rest) :]
