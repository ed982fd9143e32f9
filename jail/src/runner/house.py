"""The process as user code finds it: descriptors, uids, signals, streams, limits."""

import _signal
import builtins
import codecs
import posix
import sys

machine = use("machine")

RLIMIT_CORE, RLIMIT_SIGPENDING = 4, 11
TEMPLATE, EXECUTION = 1000, 1001
SHOWN = ["/tmp", "/dev/shm"]
# Option of `waitpid`: children that end with another signal than SIGCHLD, or with none, as well.
WALL = 0x40000000
children = 0
LAYER = "/layer"

_statvfs = posix.statvfs
_getsignal, _SIGCHLD, _SIG_IGN = _signal.getsignal, _signal.SIGCHLD, _signal.SIG_IGN


class LimitError(Exception):
    """A wall of the sandbox could not be put up."""


def at_boot():
    """Once, before anything of a tenant is here."""
    posix.umask(0o022)
    for number in range(1, 65):
        if number not in (9, 19, 32, 33):
            _signal.signal(number, _signal.SIG_DFL)
    # What plain Python does; everything else at its default, whatever was inherited.
    _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)
    _signal.signal(_signal.SIGXFSZ, _signal.SIG_IGN)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, [])
    posix.setgroups([])
    # As bytes: the encoder refuses a text that isn't ASCII.
    codecs.register_error("patchbay.replace", lambda error: (b"\xef\xbf\xbd", error.end))
    sys.stdout.reconfigure(encoding="utf-8", errors="patchbay.replace")
    sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.dont_write_bytecode = True
    sys.executable = "/usr/bin/python3.11"
    if "/code" not in sys.path:
        sys.path.append("/code")
    import _sitebuiltins

    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")


def take_layer():
    """Installed packages behind the library and the user's own files, as a site directory."""
    if any(name.endswith(".pth") for name in posix.listdir(LAYER)):
        import site

        site.addsitedir(LAYER)
    else:
        sys.path.append(LAYER)


def before_import(settings):
    """The walls that a test may take away, one at a time."""
    global children
    if settings["own_stdin"]:
        own_stdin()
    if settings["all_children"]:
        children = WALL
    if settings["bound_core"]:
        # One byte, not zero: with zero the kernel would still start a core pattern's program.
        set_limit(RLIMIT_CORE, 1)
    if settings["bound_signals"]:
        # Counted over the owner of all sandboxes; the bound holds in each.
        set_limit(RLIMIT_SIGPENDING, 256)
    if settings["hide_template"] and machine.hide() != 0:
        raise LimitError("prctl")


def own_stdin():
    """What was inherited is the host's, and what a fork inherits is shared: its flags, and locks on it."""
    fd = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
    posix.dup2(fd, 0, True)
    posix.close(fd)


def set_limit(which, most):
    if machine.set_limit(which, most) != 0:
        raise LimitError("setrlimit")


def show():
    if machine.show() != 0:
        raise LimitError("prctl")


def drop_capabilities():
    if machine.drop_capabilities() != 0:
        raise LimitError("capset")


def as_execution(settings):
    """In the child: another uid, no capability, an ordinary process otherwise."""
    if settings["second_uid"]:
        posix.setresgid(EXECUTION, EXECUTION, EXECUTION)
        posix.setresuid(EXECUTION, EXECUTION, EXECUTION)
    if settings["drop_capabilities"]:
        drop_capabilities()
    show()


def take_streams(channel, out, err):
    """Descriptors of an execution: 0 at its end, 1 and 2 the log, 3 the channel."""
    posix.dup2(channel, 3, False)
    posix.dup2(out, 1, True)
    posix.dup2(err, 2, True)
    for fd in (channel, out, err):
        if fd > 3:
            posix.close(fd)


def seed():
    """New randomness where it was copied by the fork; `random` reseeds itself."""
    reseed()
    hear_interrupts()


def reseed():
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        try:
            numpy_random.seed()
        except Exception:
            pass


def hear_interrupts():
    """`KeyboardInterrupt`, as in any program; the template itself stays deaf to it."""
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)


def flush():
    """What Python and the C library hold back."""
    for stream in (sys.stdout, sys.stderr, *left, *found):
        try:
            stream.flush()
        except BaseException:
            pass
    machine.flush()


# As the import finds them, and as it leaves them.
found = left = (sys.stdout, sys.stderr)


def shown():
    """What an execution could leave in files: free blocks and inodes of both."""
    both = []
    for place in SHOWN:
        now = _statvfs(place)
        both.append((now.f_bfree, now.f_ffree))
    return both


def unsafe_to_fork():
    """What a fork of this process would lack of what the import made, or None: `SingleUse`."""
    if len(posix.listdir("/proc/self/task")) > 1:
        return "threads"
    try:
        posix.waitpid(-1, posix.WNOHANG | children)
        return "processes"
    except ChildProcessError:
        pass
    if _getsignal(_SIGCHLD) == _SIG_IGN:
        return "sigchld"
    if posix.getresuid() != (TEMPLATE,) * 3:
        return "user"
    for name in posix.listdir("/proc/self/fd"):
        if int(name) > 3:
            try:
                posix.stat("/proc/self/fd/" + name)
            except OSError:
                continue  # the listing's own
            return "open_files"
    with open("/proc/self/maps", "rb") as maps:
        for line in maps:
            if line.split(b" ", 2)[1] == b"rw-s":
                return "shared_memory"
    return None


def clean():
    """In a process of its own, as the executions' uid: removes what that one left."""

    def empty(place):
        try:
            posix.chmod(place, 0o700)
        except OSError:
            pass  # /tmp itself is the template's
        try:
            names = posix.listdir(place)
        except OSError:
            return
        for name in names:
            path = place + "/" + name
            try:
                posix.unlink(path)
            except OSError:
                empty(path)
                try:
                    posix.rmdir(path)
                except OSError:
                    pass  # told by what is still there

    for place in SHOWN:
        empty(place)
