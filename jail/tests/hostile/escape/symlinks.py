"""Tries: to reach a file of the host by links: dots above the root, /proc/self/root, cwd and fd, and a link to each.
Meets: its own root at the end of every way.
"""

import os


def main(path):
    ways = [path, "/.." * 20 + path, "/proc/self/root" + path, "/proc/self/cwd" + "/.." * 20 + path, "/proc/self/fd/0/.." + path, "/proc/thread-self/root/.." + path]
    reached = []
    link = "/tmp/patchbay-link-%d" % os.getpid()
    for way in ways:
        os.symlink(way, link)
        for name in (way, link):
            try:
                with open(name) as file:
                    reached.append(file.read())
            except OSError:
                pass
        os.unlink(link)
    return reached
