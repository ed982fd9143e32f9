"""A failure as plain texts: type, message, traceback of user frames.

Nothing of an exception is believed: its `__str__` may raise, its notes may be
anything, its cause may be itself. Only strings leave.
"""

import posix

text = use("text")

OURS = "<patchbay>/"
MESSAGE, TRACEBACK, FRAMES, DEPTH = 8_000, 32_000, 60, 8
LINE = 400

str_, repr_, type_, isinstance_ = str, repr, type, isinstance
open_fd, read_fd, close_fd = posix.open, posix.read, posix.close


def of_exception(error, code="exception"):
    """The failure's parts, as they go into its frame."""
    if code == "exception":
        try:
            if isinstance_(error, SystemExit):
                return of_exit(error)
            code = by_resource(error)
        except BaseException:
            pass  # what it says of itself can't be read: an exception like any other
    return {
        "code": code,
        "type": name_of(error),
        "message": message_of(error),
        "traceback": traceback_of(error),
    }


def of_exit(error):
    """`sys.exit(2)`, `exit("text")`: status and text, as a shell would see them."""
    status = error.code
    told = {"code": "exit", "type": "SystemExit"}
    if status is None or isinstance_(status, int):
        number = int(status or 0)
        number = number if -(2**31) <= number < 2**31 else 1
        return told | {"exit_code": number, "message": "the code ended itself with status %d" % number}
    return told | {"exit_code": 1, "message": safely(str_, status, "<no text>")}


def by_resource(error):
    """A limit that was met and ended the execution has a code of its own."""
    if isinstance_(error, OSError) and error.errno in (28, 122):
        return "disk_full"
    if isinstance_(error, BlockingIOError) and error.errno == 11:
        return "too_many_processes"
    if type_(error) is RuntimeError and error.args[:1] == ("can't start new thread",):
        return "too_many_processes"
    return "exception"


def safely(make, value, instead, most=MESSAGE):
    try:
        return text.clean(make(value), most)
    except BaseException:
        return instead


def name_of(error):
    kind = type_(error)
    try:
        module, name = kind.__module__, kind.__qualname__
        if isinstance_(module, str_) and module not in ("builtins", "main", "__main__"):
            name = module + "." + name
        return text.clean(name, 200)
    except BaseException:
        return "Exception"


def message_of(error):
    return safely(str_, error, "<the exception's text could not be made>")


def traceback_of(error):
    parts = []
    try:
        chain(error, parts, set(), 0)
    except BaseException:
        parts.append("<the traceback ends here: it could not be read>\n")
    whole = "".join(parts)
    if len(whole) > TRACEBACK:
        half = TRACEBACK // 2
        # A whole line comes first after the cut: the worker, which covers secrets, must not
        # be given the end of one.
        end = whole[-half:]
        whole = whole[:half] + "\n[…]\n" + end[end.find("\n") + 1 :]
    return text.clean(whole, TRACEBACK + 100)


def chain(error, parts, seen, depth):
    """Causes first, as Python prints them."""
    seen.add(id(error))
    cause, context = error.__cause__, error.__context__
    if depth < DEPTH:
        if cause is not None and id(cause) not in seen:
            chain(cause, parts, seen, depth + 1)
            parts.append("\nThe above exception was the direct cause of the following exception:\n\n")
        elif context is not None and not error.__suppress_context__ and id(context) not in seen:
            chain(context, parts, seen, depth + 1)
            parts.append("\nDuring handling of the above exception, another exception occurred:\n\n")
    one(error, parts)
    if isinstance_(error, BaseExceptionGroup) and depth < DEPTH:
        for at, inner in enumerate(error.exceptions[:10]):
            parts.append("  --- exception %d of the group ---\n" % (at + 1))
            if id(inner) not in seen:
                chain(inner, parts, seen, depth + 1)


def one(error, parts):
    frames = frames_of(error.__traceback__)
    if frames:
        parts.append("Traceback (most recent call last):\n")
        parts.extend(frames)
    if isinstance_(error, SyntaxError) and isinstance_(error.filename, str_):
        parts.append('  File "%s", line %s\n' % (error.filename, error.lineno))
        if isinstance_(error.text, str_):
            parts.append("    " + text.clean(error.text, LINE).strip() + "\n")
    message = message_of(error)
    parts.append(name_of(error) + (": " + message if message else "") + "\n")
    for note in getattr(error, "__notes__", None) or ():
        parts.append(safely(str_, note, "<note>") + "\n")


def frames_of(tb):
    frames = []
    while tb is not None:
        code = tb.tb_frame.f_code
        if not code.co_filename.startswith(OURS) and not code.co_filename.startswith("<frozen importlib"):
            frames.append((code.co_filename, tb.tb_lineno, code.co_qualname))
        tb = tb.tb_next
    # What called the code (the loop of a coroutine) is none of its lines.
    first = next((at for at, frame in enumerate(frames) if frame[0].startswith("/code/")), 0)
    frames = frames[first:]
    if len(frames) > FRAMES:
        left_out = len(frames) - FRAMES
        half = FRAMES // 2
        shown = frames[:half] + [left_out] + frames[-half:]
    else:
        shown = frames
    lines = []
    files = {}
    for frame in shown:
        if isinstance_(frame, int):
            lines.append("  [%d frames left out]\n" % frame)
            continue
        path, number, name = frame
        lines.append('  File "%s", line %s, in %s\n' % (path, number, name))
        source = line_of(path, number, files)
        if source:
            lines.append("    " + source + "\n")
    return lines


def line_of(path, number, files):
    """A line of a file that is still there."""
    if path not in files:
        files[path] = lines_of(path)
    lines = files[path]
    if number is None or not 0 < number <= len(lines):
        return ""
    return lines[number - 1].decode("utf-8", "replace").strip()[:LINE]


def lines_of(path):
    if not path.startswith(("/code/", "/usr/lib/python3.11/", "/layer/")):
        return []
    try:
        fd = open_fd(path, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            got = b""
            while len(got) < 2 << 20:
                more = read_fd(fd, 1 << 20)
                if not more:
                    break
                got += more
        finally:
            close_fd(fd)
    except OSError:
        return []
    return got.split(b"\n")
