"""Tries: to look into its template, which every later execution is forked from, through /proc and ptrace.
Meets: no `/proc/1` at all, and EPERM or ENOENT for all of it.
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


def main():
    reached = []
    for name in ("environ", "maps", "mem", "cwd", "root", "fd", "cmdline", "status"):
        try:
            path = "/proc/1/" + name
            if name in ("cwd", "root"):
                os.readlink(path)
            elif name == "fd":
                os.listdir(path)
            else:
                with open(path, "rb") as file:
                    if name != "mem":
                        file.read(10)
            reached.append(name)
        except OSError:
            pass
    if libc.ptrace(0x4206, 1, None, None) == 0:
        reached.append("ptrace")
    return reached
