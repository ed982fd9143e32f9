"""Tries: the kernel's tables of the machine and of everybody on it: processors, memory, load, command line, symbols, locks.
Meets: ENOENT: /proc has process entries only, and there is no /sys.
"""

NAMES = ("cpuinfo", "meminfo", "loadavg", "stat", "cmdline", "version", "kallsyms", "locks", "keys", "mounts", "sys/kernel/hostname", "interrupts", "diskstats")


def main():
    found = []
    for path in ["/proc/" + name for name in NAMES if name != "mounts"] + ["/sys/kernel", "/sys/fs"]:
        try:
            with open(path, "rb") as file:
                file.read(1)
            found.append(path)
        except IsADirectoryError:
            found.append(path)
        except OSError:
            pass
    return found
