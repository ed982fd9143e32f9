"""Tries: to recurse until the stack runs into something else, with Python's own limit lifted.
Meets: a stack of 8 MiB that can't grow: the process dies of SIGSEGV, alone.
"""

import resource
import sys


def main(deep):
    if deep:
        try:
            resource.setrlimit(resource.RLIMIT_STACK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        except ValueError:
            pass
        sys.setrecursionlimit(1 << 30)
        # Through C at each level, where Python counts no depth.
        inner = []
        for _ in range(deep):
            inner = [inner]
        repr(inner)
    return deep
