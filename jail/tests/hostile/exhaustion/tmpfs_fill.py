"""Tries: to fill the scratch space, by bytes and by files.
Meets: ENOSPC at the plan's bound (`disk_full`); all of it is removed before the next call.
"""


def main(how):
    if how == "bytes":
        with open("/tmp/fill", "wb") as file:
            for _ in range(8 << 8):
                file.write(bytes(4096))
    elif how == "files":
        for number in range(900):
            open("/tmp/%d" % number, "w").close()
    else:
        import os

        return os.listdir("/tmp")
