"""Tries: to bend the interpreter for the next call: builtins, modules, the import system, hooks, limits.
Meets: the next execution is a fork of a process that never ran any of it.
"""

import builtins
import json
import signal
import sys


def bend():
    builtins.len = lambda _: 42
    json.dumps = json.dumps and (lambda *_, **__: "bent")
    sys.modules["os"] = None
    sys.path.insert(0, "/tmp")
    sys.meta_path.clear()
    sys.setrecursionlimit(500)
    sys.settrace(lambda *_: None)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def bent():
    sys.settrace(None)
    found = [builtins.len([]) == 42, json.dumps(1) == "bent", sys.modules["os"] is None, "/tmp" in sys.path]
    return found + [not sys.meta_path, sys.getrecursionlimit() == 500, signal.getsignal(signal.SIGTERM) == signal.SIG_IGN]


def main(leave=False, look=False):
    if leave:
        bend()
    return sum(bent()) if look else None
