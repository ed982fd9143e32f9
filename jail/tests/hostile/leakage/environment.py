"""Tries: to read what the worker was started with: its environment, and that of whoever is in reach.
Meets: eight variables that are written in the profile, and no process but its own.
"""

import os

KNOWN = {"LD_BIND_NOW", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "HOME", "PATH", "LANG", "TZ"}


def main():
    names = set(os.environ)
    for name in ["self", *filter(str.isdigit, os.listdir("/proc")), "1"]:
        try:
            with open("/proc/%s/environ" % name, "rb") as file:
                names.update(part.split(b"=")[0].decode() for part in file.read().split(b"\0") if part)
        except OSError:
            pass
    return sorted(name for name in names - KNOWN if name.startswith("PATCHBAY"))
