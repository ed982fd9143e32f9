"""Type hints, read once for both users: `arguments` and `describe`."""

import collections.abc
import inspect
import sys
import types
import typing

Parameter = inspect.Parameter
NAMED = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)

ARRAYS = {
    list: list,
    set: set,
    frozenset: frozenset,
    tuple: tuple,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
}
OBJECTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def of(thing):
    """Resolved hints, `Annotated` kept; those of a wrapped function are its own."""
    if not isinstance(thing, type):
        thing = inspect.unwrap(thing)
        if not hasattr(thing, "__annotations__") and hasattr(type(thing), "__call__"):
            thing = type(thing).__call__
    try:
        return typing.get_type_hints(thing, include_extras=True)
    except Exception:
        return one_by_one(thing)


def one_by_one(thing):
    """Where one hint names nothing, the others still count."""
    scope = getattr(thing, "__globals__", None) or getattr(sys.modules.get(thing.__module__), "__dict__", {})
    known = {}
    for name, hint in getattr(thing, "__annotations__", {}).items():
        try:
            known[name] = eval(hint, scope) if isinstance(hint, str) else hint
        except Exception:
            continue
    return known


def takes_whole(parameters, known):
    """One parameter called `input` or `event`, without a hint or hinted `dict` or `Any`."""
    if len(parameters) != 1:
        return False
    only = parameters[0]
    if only.name not in ("input", "event") or only.kind not in NAMED[:2]:
        return False
    hint = known.get(only.name)
    return hint is None or hint is dict or hint is typing.Any or hint is typing.Dict


def full_name(kind):
    return "%s.%s" % (kind.__module__, kind.__qualname__)


def is_union(hint):
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def is_enum(hint):
    enum = sys.modules.get("enum")
    return enum is not None and issubclass(hint, enum.Enum)


def is_model(hint):
    return hasattr(hint, "model_validate") and hasattr(hint, "model_json_schema")


def is_typed_dict(hint):
    return typing.is_typeddict(hint)


def required_part(hint):
    """Without `Required` and `NotRequired`."""
    if typing.get_origin(hint) in (typing.Required, typing.NotRequired):
        return typing.get_args(hint)[0]
    return hint


def is_exactly(hint, value):
    return isinstance(hint, type) and type(value) is hint


def bytes_of(value):
    import base64

    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


def _date(value):
    import datetime

    return datetime.date.fromisoformat(value)


def _datetime(value):
    import datetime

    return datetime.datetime.fromisoformat(value)


def _time(value):
    import datetime

    return datetime.time.fromisoformat(value)


def _decimal(value):
    import decimal

    return decimal.Decimal(value)


def _uuid(value):
    import uuid

    return uuid.UUID(value)


def _path(value):
    import pathlib

    return pathlib.Path(value)


FROM_TEXT = {
    "datetime.date": _date,
    "datetime.datetime": _datetime,
    "datetime.time": _time,
    "decimal.Decimal": _decimal,
    "uuid.UUID": _uuid,
    "pathlib.Path": _path,
    "pathlib.PurePath": _path,
    "pathlib.PosixPath": _path,
    "datetime.timedelta": lambda value: from_number(sys.modules["datetime"].timedelta, float(value)),
}


def from_number(hint, value):
    """Numbers mean something for two of them: seconds, and a decimal's exact value."""
    name = full_name(hint)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("a string is wanted for %s" % hint.__name__)
    if name == "datetime.timedelta":
        return hint(seconds=value)
    if name == "decimal.Decimal":
        return hint(str(value))
    raise TypeError("a string is wanted for %s" % hint.__name__)
