"""Gives a result of so many bytes, or prints so many; says how many it was given."""

import os


def main(what: str, count: int, given: str = ""):
    if what == "result":
        return "x" * (count - 2)
    if what == "print":
        block, left = b"x" * (1 << 16), count
        while left:
            left -= os.write(1 + left % 2, block[: min(left, 1 << 16)])
    return len(given)
