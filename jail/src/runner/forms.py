"""The library's types in JSON: what a schema says of each, beside how its values are read.

Both stand in one table, so that what the schema lets through is what the code gets.
A type without a reader arrives as the JSON value it is.
"""

from binascii import a2b_base64

exact = use("exact")
json = use("json")

ZONE = "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?"
TIME = "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,6})?)?" + ZONE + "$"
DECIMAL = "^[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]{1,6})?$"
# What a set can hold.
FLAT = {"type": "array", "items": {"type": ["string", "number", "boolean", "null"]}, "uniqueItems": True}
SECONDS = {"type": "number", "minimum": -86399999913600, "maximum": 86399999999999}
BASE64 = {"type": "string", "contentEncoding": "base64", "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"}


def text(value, kind):
    if type(value) is not str:
        raise TypeError("a string is wanted for %s" % kind)
    return value


def bytes_of(value):
    return a2b_base64(text(value, "bytes"), strict_mode=True)


def array(value):
    if type(value) is not list:
        raise TypeError("an array is wanted")
    return value


def _date(value):
    import datetime

    return datetime.date.fromisoformat(text(value, "date"))


def _datetime(value):
    import datetime

    # RFC 3339 has small letters too.
    return datetime.datetime.fromisoformat(text(value, "datetime").upper())


def _time(value):
    import datetime

    return datetime.time.fromisoformat(text(value, "time"))


def _timedelta(value):
    import datetime

    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("a number of seconds is wanted for timedelta")
    return datetime.timedelta(seconds=value)


def _decimal(value):
    import decimal

    if type(value) is float:
        return decimal.Decimal(exact.text(value))
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError("a string or a number is wanted for Decimal")
    try:
        made = decimal.Decimal(value)
    except decimal.InvalidOperation:
        made = None
    if made is None or not made.is_finite():
        raise ValueError("this is no decimal number")
    return made


def _uuid(value):
    import uuid

    return uuid.UUID(text(value, "UUID"))


def _path(value):
    import pathlib

    return pathlib.Path(text(value, "Path"))


PLAIN = {
    str: ({"type": "string"}, None),
    int: ({"type": "integer"}, lambda value: exact.as_number(value, int)),
    float: ({"type": "number"}, lambda value: exact.as_number(value, float)),
    bool: ({"type": "boolean"}, None),
    type(None): ({"type": "null"}, None),
    dict: ({"type": "object"}, None),
    list: ({"type": "array"}, None),
    tuple: ({"type": "array"}, lambda value: tuple(array(value))),
    set: (FLAT, lambda value: set(array(value))),
    frozenset: (FLAT, lambda value: frozenset(array(value))),
    bytes: (BASE64, bytes_of),
    bytearray: (BASE64, lambda value: bytearray(bytes_of(value))),
}
BY_NAME = {
    "datetime.date": ({"type": "string", "format": "date"}, _date),
    "datetime.datetime": ({"type": "string", "format": "date-time"}, _datetime),
    "datetime.time": ({"type": "string", "pattern": TIME}, _time),
    "datetime.timedelta": (SECONDS, _timedelta),
    "decimal.Decimal": ({"type": ["string", "number"], "pattern": DECIMAL}, _decimal),
    "uuid.UUID": ({"type": "string", "format": "uuid"}, _uuid),
    "pathlib.Path": ({"type": "string"}, _path),
    "pathlib.PurePath": ({"type": "string"}, _path),
    "pathlib.PosixPath": ({"type": "string"}, _path),
}


def of(hint):
    """(schema, reader or None) of a type with a form of its own, else None."""
    if not isinstance(hint, type):
        return None
    return PLAIN.get(hint) or BY_NAME.get("%s.%s" % (hint.__module__, hint.__qualname__))


def shown(schema):
    """Of a result: a datetime without a zone is shown without one."""
    return {"type": "string"} if schema.get("format") == "date-time" else schema


def _int_key(key):
    made = int(key)
    if str(made) != key:
        raise ValueError("the key %.40s is not written as an integer" % key)
    return made


def _float_key(key):
    made = json.loads(key)
    if type(made) not in (int, float):
        raise ValueError("the key %.40s is no number" % key)
    return float(made)


def _bool_key(key):
    if key not in ("true", "false"):
        raise ValueError("the key %.40s is neither true nor false" % key)
    return key == "true"


# An object's keys are strings in JSON: `"5"` for an int, and nothing but that.
KEYS = {
    int: ({"pattern": "^(0|-?[1-9][0-9]*)$"}, _int_key),
    float: ({"pattern": "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?$"}, _float_key),
    bool: ({"enum": ["true", "false"]}, _bool_key),
}
