"""Tries: to learn names of the host: its own, its folders, its groups, from mounts, groups and the kernel.
Meets: a host called `sandbox`, an overlay without paths, groups that begin at the root.
"""

import os
import platform
import socket


def main(words):
    told = [socket.gethostname(), platform.node(), os.uname().nodename]
    for name in ("mountinfo", "mounts", "mountstats", "cgroup", "cmdline", "maps"):
        with open("/proc/self/" + name) as file:
            told.append(file.read())
    for name in os.listdir("/proc/self/fd"):
        try:
            told.append(os.readlink("/proc/self/fd/" + name))
        except OSError:
            pass
    return [word for word in words if any(word in text for text in told)]
