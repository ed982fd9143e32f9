"""Tries: to leave System V shared memory, semaphores, queues and POSIX queues in the kernel, where no process owns them.
Meets: ENOSYS: there is nothing that would have to be swept.
"""

import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
KEY = 0x50424A


def word(result):
    return "done" if result >= 0 else errno.errorcode[ctypes.get_errno()]


def main(leave):
    flags = 0o1666 if leave else 0
    return {
        "shm": word(libc.syscall(29, KEY, 4096 if leave else 0, flags)),
        "sem": word(libc.syscall(64, KEY, 1 if leave else 0, flags)),
        "msg": word(libc.syscall(68, KEY, flags)),
    }
