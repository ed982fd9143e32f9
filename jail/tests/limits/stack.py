"""Calls itself so often: Python from Python, or through C each time."""

import sys


def down(left):
    return 0 if left == 0 else 1 + down(left - 1)


def through_c(left):
    return 0 if left == 0 else 1 + max([left], key=lambda _: through_c(left - 1)) - left + (left - 1)


def main(way: str, depth: int, limit: int = 1_000):
    sys.setrecursionlimit(limit)
    return (down if way == "python" else through_c)(depth)
