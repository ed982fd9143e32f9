"""Environment values: those of an execution, and those an import finds.

`os.environ` and the C library's `environ` are both changed, so that a started program
and a library in C find the values as well. The template keeps none: what an import was
given is taken away when it is over.
"""

import posix
import sys

json = use("json")

environ, putenv, unsetenv = posix.environ, posix.putenv, posix.unsetenv
pairs = dict.items


def take(told):
    """In an execution's process, before anything of the user's is called."""
    put(json.loads(told))


def put(values):
    for name, value in pairs(values):
        name, value = name.encode(), value.encode()
        putenv(name, value)
        environ[name] = value


def point_at(proxy):
    """The usual variables, in both spellings; what serves in the sandbox itself is not behind it."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        value = "localhost,127.0.0.1,::1" if name == "NO_PROXY" else proxy
        put({name: value, name.lower(): value})


class Watched(dict):
    """Stands for `os.environ`'s bytes during an import, and notes which names are read."""

    def __init__(self, of, names):
        dict.__init__(self, of)
        self.names = names
        self.read = set()

    def one(self, name):
        if name in self.names:
            self.read.add(name)

    def all(self):
        self.read.update(self.names)

    def __getitem__(self, name):
        self.one(name)
        return dict.__getitem__(self, name)

    def get(self, name, instead=None):
        self.one(name)
        return dict.get(self, name, instead)

    def __contains__(self, name):
        self.one(name)
        return dict.__contains__(self, name)

    def setdefault(self, name, value=None):
        self.one(name)
        return dict.setdefault(self, name, value)

    def pop(self, name, *instead):
        self.one(name)
        return dict.pop(self, name, *instead)

    def __iter__(self):
        self.all()
        return dict.__iter__(self)

    def keys(self):
        self.all()
        return dict.keys(self)

    def values(self):
        self.all()
        return dict.values(self)

    def items(self):
        self.all()
        return dict.items(self)

    def copy(self):
        self.all()
        return dict(dict.items(self))


given = {}
watched = None


def before_import(values, names):
    global given, watched
    given = values
    put(values)
    if names:
        watched = Watched(environ, {name.encode() for name in names})
        stand_in(environ, watched)


def after_import():
    """Takes the values away. The names that were read, or None where nobody watched."""
    global given, watched
    read = None
    if watched is not None:
        read = [name.decode() for name in watched.read]
        environ.clear()
        environ.update(pairs(watched))
        stand_in(watched, environ)
        watched = None
    for name, value in pairs(given):
        name, value = name.encode(), value.encode()
        # What the code has set itself is its own.
        if environ.get(name) == value:
            unsetenv(name)
            del environ[name]
    given = {}
    return read


def stand_in(old, new):
    """Wherever one is held, the other is from here on."""
    posix.environ = new
    os = sys.modules.get("os")
    for name in ("environ", "environb"):
        held = getattr(os, name, None)
        if getattr(held, "_data", None) is old:
            held._data = new
