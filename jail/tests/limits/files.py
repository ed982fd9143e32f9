"""Fills `/tmp` by bytes or by files, or opens so many files at once."""

import os


def main(what: str, count: int):
    if what == "bytes":
        with open("/tmp/filled", "wb", buffering=0) as file:
            left = count
            while left:
                left -= file.write(b"x" * min(left, 1 << 16))
    elif what == "files":
        for number in range(count):
            open("/tmp/%d" % number, "w").close()
    elif what == "passed over":
        # Met, and gone on without.
        try:
            main("bytes", count)
        except OSError as error:
            return os.strerror(error.errno)
    else:
        held = [os.open("/dev/null", os.O_RDONLY) for _ in range(count)]
        return len(held)
    return count
