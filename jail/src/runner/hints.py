"""Type hints, read once for both users: `arguments` and `describe`."""

import collections
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
    collections.deque: collections.deque,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
}
OBJECTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
WRAPPERS = (typing.Annotated, typing.Required, typing.NotRequired, typing.Final, typing.ClassVar)


def of(thing):
    """Resolved hints, `Annotated` kept; those of a wrapped function are its own."""
    thing = telling(thing)
    try:
        return typing.get_type_hints(thing, include_extras=True)
    except Exception:
        return one_by_one(thing)


def telling(thing):
    """The function, or the class of fields, whose hints say what `thing` is called with."""
    if isinstance(thing, type):
        return thing if is_of_fields(thing) else thing.__init__
    thing = inspect.unwrap(thing)
    while hasattr(thing, "func") and hasattr(thing, "keywords"):
        thing = inspect.unwrap(thing.func)  # functools.partial
    if not hasattr(thing, "__annotations__") and hasattr(type(thing), "__call__"):
        thing = type(thing).__call__
    return thing


def one_by_one(thing):
    """Where one hint names nothing, the others still count."""
    known = {}
    holders = [base for base in reversed(thing.__mro__)] if isinstance(thing, type) else [thing]
    for holder in holders:
        scope = getattr(holder, "__globals__", None) or getattr(sys.modules.get(holder.__module__), "__dict__", {})
        own = holder.__dict__ if isinstance(holder, type) else {"__annotations__": getattr(holder, "__annotations__", {})}
        for name, hint in own.get("__annotations__", {}).items():
            try:
                hint = eval(hint, scope) if isinstance(hint, str) else hint
                known[name] = type(None) if hint is None else hint
            except Exception:
                known.pop(name, None)
    return known


def bare(hint):
    """Without what says nothing of the value's kind: `Annotated`, `Required`, `NewType`, a parameter of a class."""
    while True:
        origin = typing.get_origin(hint)
        if origin in WRAPPERS:
            hint = typing.get_args(hint)[0]
        elif type(hint).__name__ == "InitVar" and type(hint).__module__ == "dataclasses":
            hint = hint.type
        elif getattr(hint, "__supertype__", None) is not None:
            hint = hint.__supertype__
        elif isinstance(origin, type) and is_of_fields(origin):
            hint = origin
        else:
            return hint


def takes_whole(parameters, known):
    """One parameter called `input` or `event`, without a hint or hinted `dict` or `Any`."""
    if len(parameters) != 1:
        return False
    only = parameters[0]
    if only.name not in ("input", "event") or only.kind not in NAMED[:2]:
        return False
    hint = known.get(only.name)
    return hint is None or hint is dict or hint is typing.Any or hint is typing.Dict


def is_union(hint):
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def is_enum(hint):
    enum = sys.modules.get("enum")
    return enum is not None and issubclass(hint, enum.Enum)


def is_model(hint):
    """pydantic's, known by what it can do."""
    return hasattr(hint, "model_validate") and hasattr(hint, "model_json_schema")


def adapter(hint):
    """pydantic's reading of a type of its own (a URL, an address), or None."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is None or not hasattr(hint, "__get_pydantic_core_schema__") or not hasattr(pydantic, "TypeAdapter"):
        return None
    return pydantic.TypeAdapter(hint)


def is_of_fields(hint):
    return is_model(hint) or has_fields(hint) or is_typed_dict(hint) or is_named_tuple(hint)


def has_fields(hint):
    return hasattr(hint, "__dataclass_fields__")


def is_typed_dict(hint):
    """Also those of `typing_extensions`, which `typing` doesn't know."""
    return hasattr(hint, "__required_keys__") and hasattr(hint, "__total__")


def is_named_tuple(hint):
    return isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")


def fields(hint, input=True):
    """Name and field of what a dataclass is made from, or shows."""
    kinds = ("_FIELD", "_FIELD_INITVAR") if input else ("_FIELD",)
    named = hint.__dataclass_fields__.items()
    return {name: field for name, field in named if field._field_type.name in kinds and (field.init or not input)}


def required_keys(hint, known):
    """Of a typed dict. Python itself doesn't see `NotRequired` in a hint that is a string."""
    required = []
    for name, inner in known.items():
        origin = typing.get_origin(inner)
        while origin is typing.Annotated:
            inner = typing.get_args(inner)[0]
            origin = typing.get_origin(inner)
        if origin is typing.Required or origin is not typing.NotRequired and name in hint.__required_keys__:
            required.append(name)
    return required


def is_exactly(hint, value):
    return isinstance(hint, type) and type(value) is hint


def members(hint):
    """Of an enum or a `Literal`: pairs of JSON value and what it stands for; None where one has no JSON value."""
    encode, json = use("encode"), use("json")
    parts = list(hint) if isinstance(hint, type) else typing.get_args(hint)
    try:
        return [(json.loads(encode.encode(part)), part) for part in parts]
    except Exception:
        return None
