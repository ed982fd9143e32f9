"""Tries: sockets of the kernel's rarely used families and protocols: netlink, packet, vsock, crypto; multipath TCP, SCTP, raw.
Meets: EAFNOSUPPORT for families, EPROTONOSUPPORT for protocols, in numbers of 64 bits as well.
"""

import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
STREAM, DGRAM, RAW, SEQPACKET, PACKET = 1, 2, 3, 5, 10
TRIES = {
    "netlink": (16, RAW, 0),
    "packet": (17, RAW, 3),
    "vsock": (40, STREAM, 0),
    "crypto": (38, SEQPACKET, 0),
    "multipath": (2, STREAM, 262),
    "sctp": (2, STREAM, 132),
    "seqpacket": (10, SEQPACKET, 0),
    "udplite": (2, DGRAM, 136),
    "ping": (2, DGRAM, 1),
    "raw": (2, RAW, 255),
    "old packet": (2, PACKET, 3),
}


def main():
    met = {}
    for name, numbers in TRIES.items():
        words = set()
        for more in (0, 1 << 32):
            made = libc.syscall(41, *(ctypes.c_long(number | more) for number in numbers))
            words.add("done" if made >= 0 else errno.errorcode[ctypes.get_errno()])
        met[name] = sorted(words)
    return met
