"""The user's files as modules: written below `/code`, imported once.

The entry file is the module `main` where it has an entry point (`main` or
`handler`), so that pickle, inspect, dataclasses and multiprocessing find it by name;
without one it is a script, run for each execution as `__main__`. Which of both is told
from the text, before anything runs. `/code` stands last on `sys.path`: no file of the
user's can stand in for a module of the library.
"""

import posix
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import SourceFileLoader

failure = use("failure")
text = use("text")

HOME = "/code"
ONLY_AST = 0x400

compile_, exec_, Module = compile, exec, type(sys)
# The user's code has the real ones, not the runner's copy.
builtins = sys.modules["builtins"].__dict__


class Bound:
    """A version that is ready to run."""

    def __init__(self, entry, code, module):
        self.entry = entry
        self.code = code
        self.module = module
        self.call = None
        self.single_use = None


def load(code, describe):
    """(answer for the worker, Bound or None)."""
    path = HOME + "/" + code["entry"]
    try:
        codes = compile_all(code["files"])
        tree = compile_(code["files"][code["entry"]].lstrip("\ufeff"), path, "exec", ONLY_AST, True)
        has_entry = binds_entry(tree.body)
        del tree
    except Exception as error:
        return {"syntax": syntax(error)}, None
    write_all(code["files"])
    entry_code = codes[path]
    try:
        bound = imported(path, entry_code) if has_entry else None
        if bound is None:
            bound = Bound("script", entry_code, None)
        use("invoke").prepare(bound, codes.values())
        answer = {"entry": bound.entry, "single_use": None}
        if describe:
            answer |= use("describe").describe(bound)
    except BaseException as error:
        told = failure.of_exception(error, code="import_error")
        return {"failure": told}, None
    return answer, bound



def imported(path, code):
    """Runs the entry file as module `main`; None if it has no entry point after all."""
    name = "main"
    module = Module(name)
    loader = SourceFileLoader(name, path)
    spec = ModuleSpec(name, loader, origin=path)
    spec.has_location = True
    module.__file__, module.__spec__, module.__loader__ = path, spec, loader
    module.__package__ = ""
    module.__builtins__ = builtins
    sys.modules[name] = module
    sys.argv = [path]
    exec_(code, module.__dict__)
    for entry in ("main", "handler"):
        if callable(module.__dict__.get(entry)):
            return Bound(entry, None, module)
    del sys.modules[name]
    return None


def compile_all(files):
    codes = {}
    for name, source in files.items():
        if name.endswith(".py"):
            path = HOME + "/" + name
            # A byte order mark is no part of the text.
            codes[path] = compile_(source.lstrip("\ufeff"), path, "exec", 0, True)
    return codes


def write_all(files):
    for name, source in files.items():
        parts = name.split("/")
        for upto in range(1, len(parts)):
            try:
                posix.mkdir(HOME + "/" + "/".join(parts[:upto]), 0o755)
            except FileExistsError:
                pass
        path = HOME + "/" + name
        fd = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o444)
        body = memoryview(source.encode("utf-8"))
        while body:
            body = body[posix.write(fd, body) :]
        posix.close(fd)


def syntax(error):
    """Where and why a text is no Python."""
    path = getattr(error, "filename", None) or HOME + "/main.py"
    return {
        "message": text.clean(getattr(error, "msg", None) or failure.message_of(error), 2_000),
        "line": max(getattr(error, "lineno", None) or 1, 1),
        "column": max(getattr(error, "offset", None) or 1, 1),
        "file": text.clean(path.removeprefix(HOME + "/"), 200),
    }


def binds_entry(body):
    """Whether running these statements as a module would make `main` or `handler`."""
    for node in body:
        kind = type(node).__name__
        if kind in ("FunctionDef", "AsyncFunctionDef", "ClassDef"):
            if node.name in ("main", "handler"):
                return True
        elif kind in ("Assign", "AnnAssign"):
            targets = node.targets if kind == "Assign" else [node.target]
            if node.value is not None and any(names_entry(target) for target in targets):
                return True
        elif kind in ("Import", "ImportFrom"):
            if any((alias.asname or alias.name) in ("main", "handler") for alias in node.names):
                return True
        elif kind == "If":
            if not is_guard(node.test) and binds_entry(node.body) or binds_entry(node.orelse):
                return True
        elif kind in ("Try", "TryStar"):
            inner = [node.body, node.orelse, node.finalbody, *(h.body for h in node.handlers)]
            if any(binds_entry(part) for part in inner):
                return True
        elif kind == "With" and binds_entry(node.body):
            return True
    return False


def names_entry(target):
    if type(target).__name__ in ("Tuple", "List"):
        return any(names_entry(part) for part in target.elts)
    return getattr(target, "id", None) in ("main", "handler")


def is_guard(test):
    """`__name__ == "__main__"`, either way round."""
    if type(test).__name__ != "Compare" or len(test.comparators) != 1:
        return False
    sides = [test.left, test.comparators[0]]
    return any(getattr(side, "id", None) == "__name__" for side in sides)
