"""What `main` is given: JSON values as its type hints want them.

The same reading of the hints is behind the inferred schema (`describe`), so that what
the schema lets through is what the code gets. A value that doesn't fit a hint is left
as it is where plain JSON could be meant, and is a ValueError naming the argument where
the hint has only one meaning (a date, an enum).
"""

import inspect
import typing

hints = use("hints")


def converting_call(entry):
    try:
        signature = inspect.signature(entry)
    except (TypeError, ValueError):
        # A callable of C that doesn't tell: it gets what there is.
        return lambda value, context: entry(**use("invoke").keywords(value))
    known = hints.of(entry)
    parameters = list(signature.parameters.values())
    if hints.takes_whole(parameters, known):
        name = parameters[0].name
        return lambda value, context: entry(value if name not in known else convert(known[name], value, name))
    named = [(p.name, reader(known.get(p.name))) for p in parameters if p.kind in hints.NAMED]
    readers = {name: read for name, read in named if read is not None}
    rest = next((p for p in parameters if p.kind is p.VAR_KEYWORD), None)
    rest_reader = reader(known.get(rest.name)) if rest is not None else None
    first = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
    names = {p.name for p in parameters}

    def call(value, context):
        given = use("invoke").keywords(value)
        for name in given:
            read = readers.get(name) or (rest_reader if name not in names else None)
            if read is not None:
                given[name] = told(read, given[name], name)
        if not first:
            return entry(**given)
        by_place = [given.pop(name) for name in first if name in given]
        return entry(*by_place, **given)

    return call


def told(read, value, name):
    try:
        return read(value)
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise ValueError("argument %s: %s" % (name, error)) from None


def convert(hint, value, name):
    read = reader(hint)
    return value if read is None else told(read, value, name)


def reader(hint):
    """A function from the JSON value to what the hint names; None where that is the same."""
    if hint is None or hint is typing.Any or hint in (object, str, bool, dict, list, type(None)):
        return None
    if hint is int:
        return lambda value: use("invoke").as_number(value, int)
    if hint is float:
        return lambda value: use("invoke").as_number(value, float)
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return reader(parts[0])
    if hints.is_union(hint):
        return union_reader(parts)
    if origin is typing.Literal:
        return None
    if isinstance(hint, type):
        return class_reader(hint)
    return generic_reader(origin, parts)


def class_reader(hint):
    """The standard library's types, enums, dataclasses, models, typed dicts."""
    read = hints.FROM_TEXT.get(hints.full_name(hint))
    if read is not None:
        return lambda value: read(value) if isinstance(value, str) else hints.from_number(hint, value)
    if hints.is_enum(hint):
        return lambda value: enum_member(hint, value)
    if hints.is_model(hint):
        return hint.model_validate
    if hasattr(hint, "__dataclass_fields__"):
        return dataclass_reader(hint)
    if hints.is_typed_dict(hint):
        return typed_dict_reader(hint)
    return {set: set, frozenset: frozenset, tuple: tuple, bytes: hints.bytes_of}.get(hint)


def generic_reader(origin, parts):
    if origin in hints.ARRAYS:
        make = hints.ARRAYS[origin]
        if origin is tuple and parts and not (len(parts) == 2 and parts[1] is Ellipsis):
            inner = [reader(part) for part in parts]
            return lambda value: tuple(item if read is None else read(item) for read, item in zip(inner, value, strict=True))
        read = reader(parts[0]) if parts else None
        if read is None and make is list:
            return None
        return lambda value: make(value if read is None else map(read, value))
    if origin in hints.OBJECTS and len(parts) == 2:
        keys, values = reader(parts[0]), reader(parts[1])
        if keys is None and values is None:
            return None
        return lambda value: {
            (key if keys is None else keys(key)): (item if values is None else values(item)) for key, item in value.items()
        }
    return None


def union_reader(parts):
    """Of several, the first that takes the value; null is None where that is among them."""
    optional = type(None) in parts
    others = [part for part in parts if part is not type(None)]
    readers = [(part, reader(part)) for part in others]
    if all(read is None for _, read in readers):
        return None

    def read_union(value):
        if value is None and optional:
            return None
        if any(hints.is_exactly(part, value) for part in others):
            return value
        failure = None
        for part, read in readers:
            if read is None:
                continue
            try:
                return read(value)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                failure = failure or error
        if any(read is None for _, read in readers):
            return value
        raise failure

    return read_union


def enum_member(hint, value):
    for member in hint:
        if member.value == value and type(member.value) is type(value):
            return member
    return hint(value)


def dataclass_reader(hint):
    known = hints.of(hint)
    fields = {name: field for name, field in hint.__dataclass_fields__.items() if field.init}
    readers = {}

    def read_dataclass(value):
        if not isinstance(value, dict):
            raise TypeError("an object is wanted for %s" % hint.__name__)
        unknown = [name for name in value if name not in fields]
        if unknown:
            raise ValueError("%s has no field %s" % (hint.__name__, unknown[0]))
        made = {}
        for name, item in value.items():
            if name not in readers:
                readers[name] = reader(known.get(name))  # late: classes may refer to themselves
            read = readers[name]
            made[name] = item if read is None else read(item)
        return hint(**made)

    return read_dataclass


def typed_dict_reader(hint):
    known = hints.of(hint)

    def read_typed_dict(value):
        if not isinstance(value, dict):
            raise TypeError("an object is wanted for %s" % hint.__name__)
        made = dict(value)
        for name, inner in known.items():
            if name in made:
                made[name] = convert(hints.required_part(inner), made[name], name)
        return made

    return read_typed_dict
