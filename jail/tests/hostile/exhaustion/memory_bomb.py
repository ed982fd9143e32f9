"""Tries: to use more memory than the plan has, as anonymous pages, in children, in files of /dev/shm.
Meets: the kernel kills in this group alone; the execution ends `out_of_memory`.
"""

import mmap
import os


def main(mib, how):
    if how == "pages":
        block = mmap.mmap(-1, mib << 20)
        for at in range(0, mib << 20, 4096):
            block[at] = 1
    elif how == "children":
        for _ in range(4):
            if os.fork() == 0:
                bytearray(b"x") * (mib << 18)
                os._exit(0)
        for _ in range(4):
            if os.wait()[1]:
                raise MemoryError("a child was killed")
    else:
        with open("/dev/shm/fill", "wb") as file:
            for _ in range(mib):
                file.write(bytes(1 << 20))
    return mib
