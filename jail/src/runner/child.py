"""One execution: takes its request, runs the user's code, answers once, ends."""

import posix

frames = use("frames")
house = use("house")
invoke = use("invoke")

getpid, _exit = posix.getpid, posix._exit


def run(bound, fds, settings):
    """In the forked child. Never returns."""
    try:
        house.take_streams(*fds)
        if settings["own_stdin"]:
            house.own_stdin()
        house.as_execution(settings)
        house.seed()
        execute(bound)
    finally:
        # Whatever goes wrong here is no answer, which the worker knows to name.
        _exit(70)


def run_alone(bound, fds):
    """In the template itself, which ends with it: for versions that can't be forked."""
    try:
        house.take_streams(*fds)
        house.drop_capabilities()
        house.show()
        house.seed()
        execute(bound)
    finally:
        _exit(70)


def execute(bound):
    try:
        kind, context, body, = frames.receive(3)
    except frames.Closed:
        _exit(0)
    if kind != frames.REQUEST:
        _exit(70)
    me = getpid()
    most, begins = int.from_bytes(body[:4], "big"), 8 + int.from_bytes(body[4:8], "big")
    if begins > 8:
        use("environment").take(body[8:begins])
    told = body[begins:context]
    kind, answer = invoke.answer(bound, str(body[context:], "utf-8").strip(" \t\r\n"), told, most)
    house.flush()
    if getpid() != me:
        # A process that user code forked came back here: it is no execution.
        _exit(0 if kind == frames.RESULT else 1)
    try:
        frames.send(3, kind, 0, answer)
    except OSError:
        pass  # the channel was closed by the user's code: no answer
    _exit(0)
