"""What `main` is given: JSON values as its type hints want them.

The same reading of the hints is behind the inferred schema (`describe`), so that what
the schema lets through is what the code gets. A value that doesn't fit a hint is left
as it is where plain JSON could be meant, and is a ValueError naming the argument where
the hint has only one meaning (a date, an enum, an array of dates).
"""

import inspect
import typing

exact = use("exact")
forms = use("forms")
hints = use("hints")

WRONG = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError)


def converting_call(entry):
    try:
        signature = inspect.signature(entry)
    except (TypeError, ValueError):
        # A callable of C that doesn't tell: it gets what there is.
        return lambda value, context: entry(**use("invoke").keywords(value))
    known = hints.of(entry)
    parameters = list(signature.parameters.values())
    if hints.takes_whole(parameters, known):
        return lambda value, context: entry(value)
    named = [(p.name, optional_reader(known.get(p.name), p.default)) for p in parameters if p.kind in hints.NAMED]
    readers = {name: read for name, read in named if read is not None}
    rest = next((p for p in parameters if p.kind is p.VAR_KEYWORD), None)
    rest_reader = reader(known.get(rest.name)) if rest is not None else None
    first = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
    names = {p.name for p in parameters if p.kind in hints.NAMED}

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
    except WRONG as error:
        # The user's own lines (a `__post_init__`, a validator) stay in the traceback.
        raise ValueError("argument %s: %s" % (name, error)) from error if is_theirs(error) else None


def is_theirs(error):
    tb = error.__traceback__
    while tb is not None:
        if tb.tb_frame.f_code.co_filename.startswith("/code/"):
            return True
        tb = tb.tb_next
    return False


def optional_reader(hint, default):
    """`day: date = None` takes null too."""
    read = reader(hint)
    if read is None or default is not None:
        return read
    return lambda value: None if value is None else read(value)


def reader(hint):
    """A function from the JSON value to what the hint names; None where that is the same."""
    try:
        return reader_of(hints.bare(hint))
    except Exception:
        return None  # anything may stand as a hint


def reader_of(hint):
    form = forms.of(hint)
    if form is not None:
        return form[1]
    if hint is None or hint is typing.Any or hint is object:
        return None
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hints.is_union(hint):
        return union_reader(parts)
    if origin is typing.Literal:
        return member_reader(hint)
    if origin is not None:
        return generic_reader(origin, parts)
    return class_reader(hint) if isinstance(hint, type) else None


def class_reader(hint):
    """Enums, models, dataclasses, typed dicts, named tuples, bare collections."""
    if hints.is_enum(hint):
        return member_reader(hint)
    if hints.is_model(hint):
        return lambda value: hint.model_validate(exact.inside(value))
    if hints.is_typed_dict(hint):
        return once(typed_dict_reader, hint)
    if hints.has_fields(hint):
        return once(dataclass_reader, hint)
    if hints.is_named_tuple(hint):
        return once(named_tuple_reader, hint)
    if hint in hints.ARRAYS:
        return generic_reader(hint, ())
    adapter = hints.adapter(hint)
    return adapter.validate_python if adapter is not None else None


def generic_reader(origin, parts):
    if origin in hints.ARRAYS:
        return array_reader(hints.ARRAYS[origin], origin, parts)
    if origin not in hints.OBJECTS or len(parts) != 2:
        return None
    key_hint = hints.bare(parts[0])
    keys = forms.KEYS[key_hint][1] if key_hint in (int, float, bool) else reader(key_hint)
    values = reader(parts[1])
    if keys is None and values is None:
        return None

    def read_object(value):
        if type(value) is not dict:
            raise TypeError("an object is wanted")
        made = {
            (key if keys is None else keys(key)): (item if values is None else values(item)) for key, item in value.items()
        }
        if len(made) != len(value):
            raise ValueError("two keys mean the same")
        return made

    return read_object


def array_reader(make, origin, parts):
    if origin is tuple and parts and not (len(parts) == 2 and parts[1] is Ellipsis):
        return tuple_reader(tuple, [reader(part) for part in parts], len(parts))
    read = reader(parts[0]) if parts else None
    if read is None and make is list:
        return None
    return lambda value: make(forms.array(value) if read is None else map(read, forms.array(value)))


def tuple_reader(make, readers, least):
    def read_tuple(value):
        if not least <= len(forms.array(value)) <= len(readers):
            raise ValueError("%d items are wanted, not %d" % (len(readers), len(value)))
        return make(item if read is None else read(item) for read, item in zip(readers, value))

    return read_tuple


def union_reader(parts):
    """Of several, the first that takes the value; null is None where that is among them."""
    optional = type(None) in parts
    others = [part for part in parts if part is not type(None)]
    readers = [(hints.bare(part) in (int, float), reader(part)) for part in others]
    if all(read is None for _, read in readers):
        return None

    def read_union(value):
        if value is None and optional:
            return None
        if any(hints.is_exactly(part, value) for part in others):
            return value
        failure = rounded = None
        for is_number, read in readers:
            if read is None or is_number and type(value) not in (int, float):
                continue
            try:
                return read(value)
            except WRONG as error:
                failure = failure or error
                rounded = rounded or is_number
        if failure is None or not rounded and any(read is None for _, read in readers):
            return value
        raise failure

    return read_union


def member_reader(hint):
    """What an enum's or a literal's JSON value stands for. `true` is never 1, and 1.0 is."""
    members = hints.members(hint)
    if members is None:
        return hint if isinstance(hint, type) else None

    def read_member(value):
        for form, member in members:
            if form == value and (type(form) is bool) == (type(value) is bool):
                return member
        raise ValueError("%.200r is none of the values it may have" % (value,))

    return read_member


_readers = {}


def once(make, hint):
    """The reader of a class, which may be asked for while it is being made."""
    held = _readers.get(id(hint))
    if held is None:
        held = _readers[id(hint)] = [hint]
        held.append(make(hint))
    elif len(held) == 1:
        return lambda value: held[1](value)
    return held[1]


def members_reader(hint, readers):
    def read_members(value):
        if type(value) is not dict:
            raise TypeError("an object is wanted for %s" % hint.__name__)
        made = dict(value)
        for name, item in value.items():
            if name not in readers:
                raise ValueError("%s has no field %s" % (hint.__name__, name))
            read = readers[name]
            if read is not None:
                made[name] = read(item)
        return made

    return read_members


def dataclass_reader(hint):
    known = hints.of(hint)
    fields = hints.fields(hint).items()
    read = members_reader(hint, {name: optional_reader(known.get(name), field.default) for name, field in fields})
    return lambda value: hint(**read(value))


def typed_dict_reader(hint):
    known = hints.of(hint)
    read = members_reader(hint, {name: reader(inner) for name, inner in known.items()})
    required = hints.required_keys(hint, known)

    def read_typed_dict(value):
        made = read(value)
        for name in required:
            if name not in made:
                raise ValueError("%s needs %s" % (hint.__name__, name))
        return made

    return read_typed_dict


def named_tuple_reader(hint):
    known = hints.of(hint)
    readers = [optional_reader(known.get(name), hint._field_defaults.get(name, hint)) for name in hint._fields]
    least = len(hint._fields) - len(hint._field_defaults)
    return tuple_reader(lambda items: hint(*items), readers, least)
