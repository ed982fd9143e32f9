"""Holds the runner's parts, out of reach of the user's modules.

Parts are not in `sys.modules`, so nothing of the runner can be imported from, or be
in the way of, the user's code. Each part has a copy of the builtins of its own, so
that code which replaces `builtins.len` harms itself only. A part asks for another one
with `use(name)`; those needed for describing alone are loaded only then, which keeps a
waiting sandbox small.
"""

import builtins
import sys
from marshal import loads

loaded = {}
own_builtins = dict(builtins.__dict__)
Module = type(sys)
run = exec


def use(name):
    part = loaded.get(name)
    if part is None:
        part = loaded[name] = Module("patchbay." + name)
        part.__dict__["__builtins__"] = own_builtins
        part.__dict__["use"] = use
        run(loads(parts.pop(name)), part.__dict__)  # noqa: F821 - given by the bootstrap
    return part


use("template").serve(fresh)  # noqa: F821 - given by the bootstrap
