"""Tries: to change what the import made and what the next execution sees: its source, mode, times, attributes of the folders.
Meets: EPERM or EACCES: all of it is the template's, and an execution has another uid.
"""

import os


def main():
    changed = []
    tries = {
        "source": lambda: open("/code/program.py", "a").close(),
        "replace": lambda: os.rename("/code/program.py", "/code/other.py"),
        "mode": lambda: os.chmod("/tmp", 0o777),
        "times": lambda: os.utime("/tmp", (1, 1)),
        "attribute": lambda: os.setxattr("/tmp", "user.left", b"x"),
        "shm": lambda: os.chmod("/dev/shm", 0o777),
        "become": lambda: os.setresuid(1000, 1000, 1000),
    }
    for name, attempt in tries.items():
        try:
            attempt()
            changed.append(name)
        except OSError:
            pass
    return changed
