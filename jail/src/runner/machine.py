"""Machine code from `jail/runner`: the loop, and the calls that Python has no way to make.

Loaded before anything of a tenant is here, and by path: it is in no module table, so
user code can't import it by name. `ctypes` would do for the calls, and would stay in
every sandbox: two libraries more to copy at each fork.
"""

import sys
from _frozen_importlib import ModuleSpec
from _imp import create_dynamic

PATH = "/usr/lib/patchbay_native.so"
NAME = "patchbay_native"

_native = create_dynamic(ModuleSpec(NAME, None, origin=PATH))
sys.modules.pop(NAME, None)

executions = _native.executions
hide = _native.hide
show = _native.show
drop_capabilities = _native.drop_capabilities
set_limit = _native.set_limit
flush = _native.flush
