"""JSON by the C halves of the standard library: nothing user code can patch, no `re`."""

from _json import encode_basestring as quote
from _json import make_encoder, make_scanner


class _Rules:
    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_int = int
    memo = {}

    @staticmethod
    def parse_constant(name):
        raise ValueError(name + " is no JSON")


def scanner(of_float):
    """Of texts; numbers with a point or a power are made by `of_float`."""
    rules = _Rules()
    rules.parse_float = of_float
    return make_scanner(rules)


scan = scanner(float)


def _refuse(value):
    raise TypeError(type(value).__name__)


encoder = make_encoder(None, _refuse, quote, None, ":", ",", False, False, False)


def loads(text):
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    text = text.strip(" \t\r\n")
    try:
        value, end = scan(text, 0)
    except StopIteration as stop:
        raise ValueError("no JSON at character %s" % stop.value) from None
    if end != len(text):
        raise ValueError("something follows the JSON text")
    return value


def dumps(plain):
    """Text of plain values (dict with str keys, list, str, int, float, bool, None) as bytes."""
    return "".join(encoder(plain, 0)).encode("utf-8")
