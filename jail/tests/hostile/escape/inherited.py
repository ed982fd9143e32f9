"""Tries: to get out by what it inherited: folders and sockets that are open, the host's own /dev/null.
Meets: its channel, two pipes, and a standard input that is the sandbox's own.
"""

import os
import stat


def kind(fd):
    mode = os.fstat(fd).st_mode
    names = {stat.S_IFDIR: "folder", stat.S_IFSOCK: "socket", stat.S_IFIFO: "pipe", stat.S_IFCHR: "device", stat.S_IFREG: "file"}
    return names.get(stat.S_IFMT(mode), "other")


def main():
    found = {}
    for fd in range(256):
        try:
            found[str(fd)] = kind(fd)
        except OSError:
            pass
    here, there = os.fstat(0), os.stat("/dev/null")
    return [found, (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)]
