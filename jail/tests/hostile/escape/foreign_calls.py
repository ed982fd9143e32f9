"""Tries: the kernel's other tables of calls, in which numbers mean something else: int 0x80 and x32.
Meets: SIGSYS for the first, ENOSYS for the second.
"""

import ctypes
import errno
import mmap
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)
# mov eax, 20 (getpid of the 32-bit table); int 0x80; ret
CODE = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"


def by_interrupt():
    pid = os.fork()
    if pid == 0:
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(CODE)
        call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
        os._exit(0 if call() == os.getpid() else 1)
    _, status = os.waitpid(pid, 0)
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def main():
    x32 = libc.syscall(0x40000000 | 39)
    return [by_interrupt(), "done" if x32 >= 0 else errno.errorcode[ctypes.get_errno()]]
