"""The sandbox's pid 1: imports one version, then forks a child for each execution.

Speaks on descriptor 3. It never runs a tenant's call itself, unless the import made
the process unfit for forking: then it runs the one call it gets, and ends.
"""

import gc
import posix
import sys
from _signal import SIGKILL

import _socket

frames = use("frames")
house = use("house")
child = use("child")
json = use("json")
module = use("module")

fork, wait4, waitpid, kill, _exit = posix.fork, posix.wait4, posix.waitpid, posix.kill, posix._exit
getpid = posix.getpid
collect, freeze = gc.collect, gc.freeze


def serve(fresh):
    house.at_boot()
    native = use("native")
    control = _socket.socket(fileno=3)
    frames.send(3, frames.READY, 0, fresh or b"")
    try:
        _, mode, body, _ = frames.receive_with_fds(control)
        order = json.loads(body)
        settings = order["settings"]
        house.before_import(settings)
        bound = bind(order, mode)
        # Sources, and values of the import: nothing that each execution should inherit.
        del body, order
        if bound is not None:
            if bound.single_use is None:
                settle(native.rehearse)
                if settings["native"]:
                    baseline = house.shown()
                    native.serve(bound, settings, lambda: sweep(baseline, settings))
            executions(control, bound, settings)
    except frames.Closed:
        pass
    _exit(0)


def bind(order, mode):
    """Imports the version and tells the worker what came of it."""
    before = house.shown()
    if order["layer"]:
        house.take_layer()
    if order["proxy"] is not None:
        use("environment").point_at(order["proxy"])
    given, watched = order["environment"], order["watched"]
    # Loaded only where it is used: it would spread what each call touches over more pages.
    environment = use("environment") if given or watched else None
    if environment is not None:
        environment.before_import(given, watched)
    answer, bound = module.load(order["code"], describe=mode == 1)
    if environment is not None:
        answer["read"] = environment.after_import()
    house.flush()
    house.left = (sys.stdout, sys.stderr)
    if getpid() != 1:
        _exit(0)  # a process that the import forked came back here: it is no template
    if bound is not None:
        why = house.unsafe_to_fork()
        if why is None and house.shown() != before:
            why = "files"
        bound.single_use = answer["single_use"] = why
    frames.send(3, frames.BOUND, 0, json.dumps(answer))
    return bound


def settle(rehearse):
    """Warms the usual path, then moves everything where the collector won't touch it."""
    for _ in range(60):
        rehearse()
    collect()
    freeze()


def executions(control, bound, settings):
    """The loop in Python: what the native one is compared with in tests."""
    baseline = house.shown()
    while True:
        _, _, _, fds = frames.receive_with_fds(control)
        if bound.single_use is not None:
            child.run_alone(bound, fds)
        pid = fork()
        if pid == 0:
            child.run(bound, fds, settings)
        for fd in fds:
            posix.close(fd)
        status = reap(pid)
        strays, flags = sweep(baseline, settings) if settings["sweep"] else (0, 0)
        body = status.to_bytes(4, "big") + flags.to_bytes(4, "big")
        frames.send(3, frames.ENDED, strays, body)


def reap(pid):
    """Waits for the execution's process, and buries the orphans that come by."""
    while True:
        done, status, _ = wait4(-1, house.children)
        if done == pid:
            return status


def sweep(baseline, settings):
    """Nothing left of the execution: proved in the usual case, made so otherwise."""
    strays = kill_all()
    if house.shown() == baseline:
        return strays, 0
    pid = fork()
    if pid == 0:
        try:
            house.as_execution(settings)
            house.clean()
        finally:
            _exit(0)
    waitpid(pid, 0)
    strays += kill_all()
    return strays, frames.SWEPT if house.shown() == baseline else frames.DIRTY


def kill_all():
    strays = 0
    try:
        if waitpid(-1, posix.WNOHANG | house.children)[0] != 0:
            strays += 1
        # One pass is enough: a fork with a signal pending fails.
        kill(-1, SIGKILL)
        while True:
            waitpid(-1, house.children)
            strays += 1
    except (ChildProcessError, ProcessLookupError):
        return strays
