"""Any value with a documented JSON form, as exact JSON text; everything else refused.

| value | JSON |
|---|---|
| None, bool, int, float, str and their subclasses | themselves; NaN and infinities are refused |
| dict and other mappings | object; keys int, float, bool, None as `json` writes them |
| list, tuple, namedtuple, deque | array |
| set, frozenset | array, sorted where that is possible |
| dataclass, pydantic model, attrs class | object of its fields |
| datetime, date, time | ISO 8601 |
| timedelta | seconds, as a number |
| Decimal, UUID, Path, IP addresses, Fraction | string |
| bytes, bytearray, memoryview | base64 |
| Enum | its value |
| numpy scalar, numpy array | number, nested arrays |
| pandas DataFrame, Series | list of row objects, list |

Two keys that would become one, a value without a form, a number that JSON doesn't
have, a lone surrogate and nesting beyond 128 are `NotSerializable`, with the place as
a JSON Pointer: no value is lost or changed in silence.
"""

import sys
from _json import encode_basestring as quote
from _json import make_encoder
from binascii import b2a_base64

text = use("text")

DEPTH = 128
INFINITE = float("inf")
# The first integer of more than 4,300 digits, whatever the code made of CPython's bound.
TOO_LONG = 10**4300
modules = sys.modules

type_, isinstance_, str_, int_, float_, dict_, list_, len_ = type, isinstance, str, int, float, dict, list, len
object_repr = object.__repr__
int_repr, float_repr = int.__repr__, float.__repr__
# What a subclass holds, whatever it made of its methods.
int_of, float_of = int.__int__, float.__float__


class NotSerializable(Exception):
    """The value has no JSON form."""

    def __init__(self, message, kind=None):
        self.message, self.kind, self.steps = message, kind, []

    def told(self):
        # The same in both: who covers secrets looks for the one in the other.
        pointer = text.clean("".join("/" + escape(step) for step in reversed(self.steps)), 1_000)
        return {
            "code": "result_not_serializable",
            "type": self.kind,
            "message": text.clean("at %s: %s" % (pointer or "the root", self.message), 3_000),
            "pointer": pointer,
        }


def escape(step):
    return str_(step).replace("~", "~0").replace("/", "~1")


def broken(error):
    """User code (a property, an iterator, `model_dump`) failed while it was read."""
    kind = text.clean(type_(error).__name__, 200)
    try:
        words = text.clean(str_(error), 1_000)
    except BaseException:
        words = "no text"
    return NotSerializable("reading the value raised %s: %s" % (kind, words), kind)


def _never(value):
    raise NotSerializable("it changed while it was read")


encoder = make_encoder(None, _never, quote, None, ":", ",", False, False, False)


def encode(value):
    """The JSON text as UTF-8 bytes."""
    kind = type_(value)
    if kind is int_ and -(10**18) < value < 10**18:
        return int_repr(value).encode()
    return "".join(encoder(simple(value, 0), 0)).encode("utf-8")


def simple(value, depth):
    """The same as dict, list, str, int, float, bool, None and nothing else."""
    kind = type_(value)
    if kind is str_:
        return checked_text(value)
    if kind is int_:
        return checked_int(value)
    if value is None or value is True or value is False:
        return value
    if kind is float_:
        return checked_float(value)
    if kind is list_ or kind is tuple:
        return items(value, depth)
    if kind is dict_:
        return members(value.items(), depth)
    try:
        return other(value, kind, depth)
    except NotSerializable:
        raise
    except BaseException as error:
        raise broken(error) from None


def checked_text(value):
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise NotSerializable("a lone surrogate is no text", "str") from None
    return value


def checked_int(value):
    if -TOO_LONG < value < TOO_LONG:
        return value
    raise NotSerializable("the integer has more than 4,300 digits", "int")


def checked_float(value):
    if value != value or value in (INFINITE, -INFINITE):
        raise NotSerializable("JSON has no %s" % float_repr(value), "float")
    return value


def items(values, depth):
    if depth >= DEPTH:
        raise NotSerializable("nested deeper than %d" % DEPTH)
    out = []
    at = 0
    try:
        for value in values:
            out.append(simple(value, depth + 1))
            at += 1
    except NotSerializable as error:
        error.steps.append(at)
        raise
    return out


def members(pairs, depth):
    if depth >= DEPTH:
        raise NotSerializable("nested deeper than %d" % DEPTH)
    out = {}
    for key, value in pairs:
        name = key if type_(key) is str_ else key_name(key)
        try:
            if name in out:
                raise NotSerializable("two keys become %s" % quote(name))
            checked_text(name)
            out[name] = simple(value, depth + 1)
        except NotSerializable as error:
            error.steps.append(name)
            raise
    return out


def key_name(key):
    kind = type_(key)
    if isinstance_(key, str_):
        return str_.__str__(key) if not is_enum(key) else key_name(key.value)
    if key is True:
        return "true"
    if key is False:
        return "false"
    if key is None:
        return "null"
    if is_enum(key):
        return key_name(key.value)
    if isinstance_(key, int_):
        return int_repr(checked_int(int_of(key)))
    if isinstance_(key, float_):
        return float_repr(checked_float(float_of(key)))
    form = KEYS.get(full_name(kind))
    if form is None:
        raise NotSerializable("a key of type %s has no JSON form" % kind.__name__, kind.__name__)
    return form(key)


def full_name(kind):
    return "%s.%s" % (kind.__module__, kind.__qualname__)


def is_enum(value):
    enum = modules.get("enum")
    return enum is not None and isinstance_(value, enum.Enum)


def base64_text(value):
    return b2a_base64(value, newline=False).decode("ascii")


def sorted_if_possible(value):
    try:
        return sorted(value)
    except TypeError:
        return list_(value)


STRINGS = {
    "datetime.datetime": lambda value: value.isoformat(),
    "datetime.date": lambda value: value.isoformat(),
    "datetime.time": lambda value: value.isoformat(),
    "decimal.Decimal": str_,
    "uuid.UUID": str_,
    "fractions.Fraction": str_,
    "pathlib.PurePath": str_,
    "ipaddress.IPv4Address": str_,
    "ipaddress.IPv6Address": str_,
    "ipaddress.IPv4Network": str_,
    "ipaddress.IPv6Network": str_,
}
KEYS = dict_(STRINGS) | {"pathlib.PosixPath": str_}


def other(value, kind, depth):
    """Everything that isn't exactly one of the plain types."""
    if is_enum(value):
        return simple(value.value, depth + 1)
    if isinstance_(value, str_):
        return checked_text(str_.__str__(value))
    if isinstance_(value, int_):
        return checked_int(int_of(value))
    if "numpy" in modules and (kind.__module__ or "").split(".")[0] == "numpy":
        return numpy(value, kind, depth)
    if isinstance_(value, float_):
        return checked_float(float_of(value))
    if isinstance_(value, dict_):
        return members(value.items(), depth)
    if isinstance_(value, (list_, tuple)):
        return items(value, depth)
    if isinstance_(value, (set, frozenset)):
        return items(sorted_if_possible(value), depth)
    if isinstance_(value, (bytes, bytearray, memoryview)):
        return base64_text(value)
    return by_class(value, kind, depth)


def by_class(value, kind, depth):
    for base in kind.__mro__:
        name = full_name(base)
        form = STRINGS.get(name)
        if form is not None:
            told = form(value)
            if value != value:
                raise NotSerializable("JSON has no %s" % text.clean(told, 200), kind.__name__)
            if name == "decimal.Decimal" and not base.is_finite(value):
                raise NotSerializable("JSON has no %s" % base.__str__(value), "Decimal")
            return checked_text(told)
        if name == "datetime.timedelta":
            return checked_float(value.total_seconds())
        if name == "collections.deque":
            return items(value, depth)
        if name in ("pydantic.main.BaseModel", "pydantic.BaseModel"):
            # As its schema says it, and as it is read: by alias.
            return simple(value.model_dump(mode="json", by_alias=True), depth)
        if name == "collections.abc.Mapping":
            return members(value.items(), depth)
        # The longer names are those before pandas 3.
        if name in ("pandas.DataFrame", "pandas.core.frame.DataFrame"):
            return items(value.to_dict(orient="records"), depth)
        if name in ("pandas.Series", "pandas.core.series.Series"):
            return items(value.tolist(), depth)
    fields = getattr(kind, "__dataclass_fields__", None)
    if fields is not None:
        named = [name for name, field in fields.items() if field._field_type.name == "_FIELD"]
        return members([(name, getattr(value, name)) for name in named], depth)
    attributes = getattr(kind, "__attrs_attrs__", None)
    if attributes is not None:
        return members([(field.name, getattr(value, field.name)) for field in attributes], depth)
    if hasattr(kind, "keys") and hasattr(kind, "__getitem__"):
        return members([(key, value[key]) for key in value.keys()], depth)
    name = text.clean(kind.__name__, 200)
    raise NotSerializable("a value of type %s has no JSON form" % name, name)


def numpy(value, kind, depth):
    if hasattr(value, "tolist"):
        plain = value.tolist()
        if type_(plain) is not kind:
            return simple(plain, depth)
    raise NotSerializable("a value of type numpy.%s has no JSON form" % kind.__name__, kind.__name__)
