"""Tries: the kernel's keyrings: to leave a key for others in the user's keyring, to read a session's.
Meets: EPERM for add_key, request_key and keyctl.
"""

import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
USER_KEYRING, SESSION_KEYRING = -4, -3


def word(result):
    return "done" if result >= 0 else errno.errorcode[ctypes.get_errno()]


def main():
    return {
        "add_key": word(libc.syscall(248, b"user", b"patchbay", b"left", 4, USER_KEYRING)),
        "request_key": word(libc.syscall(249, b"user", b"patchbay", None, SESSION_KEYRING)),
        "keyctl": word(libc.syscall(250, 0, USER_KEYRING, 0)),
    }
