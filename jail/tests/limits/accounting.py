"""Uses memory or processor time in ways that are easily counted twice, or not at all."""

import mmap
import os
import time

MIB = 1 << 20


def burn(seconds):
    begun = time.process_time()
    while time.process_time() - begun < seconds:
        pass


def orphan(seconds, end):
    """Whose parent, and the parent's session, are gone before it begins."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            burn(seconds)
            os.write(end, b"x")
        os._exit(0)


def memory(mib):
    return b"x" * (mib * MIB)


def children(mib, count, read, end):
    for _ in range(count):
        if os.fork() == 0:
            held = memory(mib)
            os.write(end, b"x")
            os.read(os.pipe()[0], 1)
    for _ in range(count):
        os.read(read, 1)
    return count


def read_layer():
    """Every byte of the package's data, in pieces that are thrown away."""
    read = 0
    for name in os.listdir("/layer"):
        with open("/layer/" + name, "rb", buffering=0) as data:
            piece = bytearray(MIB)
            while count := data.readinto(piece):
                read += count
    return read // MIB


def main(how: str, mib: int = 0, count: int = 0, seconds: float = 0):
    read, end = os.pipe()
    if how == "orphan":
        orphan(seconds, end)
        os.read(read, 1)
    elif how == "spinner":
        for _ in range(count):
            if os.fork() == 0:
                os.close(read)
                burn(3600)
        burn(seconds)
    elif how == "sleep":
        time.sleep(seconds)
    elif how == "children":
        return children(mib, count, read, end)
    elif how == "layer":
        return read_layer()
    elif how == "layer and memory":
        read_layer()
        held = memory(mib)
    elif how == "freed":
        memory(mib)
    elif how in ("/tmp", "/dev/shm"):
        with open(how + "/held", "wb") as held:
            for _ in range(mib):
                held.write(b"x" * MIB)
    return count
