"""Each parameter of `main` is one spelling of a hint; `CHECKS` says what its values must be."""

import collections
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import pathlib
import typing
import uuid
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, Optional, Required, TypedDict, TypeVar, Union

Date, Decimal = datetime.date, decimal.Decimal
T = TypeVar("T")
UserId = NewType("UserId", int)
Birthday = NewType("Birthday", datetime.date)


class Colour(enum.Enum):
    RED = "red"
    ONE = 1
    PAIR = (1, 2)
    DAY = datetime.date(2026, 1, 2)


class Level(enum.IntEnum):
    LOW = 0
    HIGH = 1


class Word(enum.StrEnum):
    RED = "red"


@dataclasses.dataclass
class Inner:
    day: datetime.date


@dataclasses.dataclass
class Point:
    x: int
    y: Optional[str] = None
    inner: Inner | None = None
    many: list = dataclasses.field(default_factory=list)
    made: int = dataclasses.field(default=0, init=False)
    kind: typing.ClassVar[str] = "point"
    scale: dataclasses.InitVar[int] = 2

    def __post_init__(self, scale):
        self.made = self.x * scale


@dataclasses.dataclass(kw_only=True)
class Keyed:
    x: int
    label: str = None
    day: datetime.date = None


@dataclasses.dataclass
class Node:
    value: int
    next: Optional["Node"] = None


@dataclasses.dataclass
class Box(Generic[T]):
    x: T


class Pair(NamedTuple):
    x: int
    day: datetime.date = None


class Movie(TypedDict):
    x: int
    y: NotRequired[str]


class Loose(TypedDict, total=False):
    x: Required[int]
    day: datetime.date


class Tree(TypedDict):
    value: int
    next: NotRequired["Tree"]


def each(kind, value, inner=lambda item: True):
    return type(value) is kind and all(map(inner, value))


def is_int(value):
    return type(value) is int


def is_date(value):
    return type(value) is datetime.date


def is_node(value):
    return value is None or type(value) is Node and is_int(value.value) and is_node(value.next)


def is_tree(value):
    return type(value) is dict and is_int(value["value"]) and ("next" not in value or is_tree(value["next"]))


def is_point(value):
    inner = value.inner is None or is_date(value.inner.day)
    return type(value) is Point and is_int(value.x) and inner and is_int(value.made)


CHECKS = {
    "an_int": is_int,
    "a_float": lambda v: type(v) is float,
    "a_bool": lambda v: type(v) is bool,
    "a_str": lambda v: type(v) is str,
    "a_none": lambda v: v is None,
    "a_list": lambda v: type(v) is list,
    "a_dict": lambda v: type(v) is dict,
    "a_tuple": lambda v: type(v) is tuple,
    "a_set": lambda v: type(v) is set,
    "some_bytes": lambda v: type(v) is bytes,
    "a_bytearray": lambda v: type(v) is bytearray,
    "anything": lambda v: True,
    "an_object": lambda v: True,
    "a_date": is_date,
    "a_datetime": lambda v: type(v) is datetime.datetime and v.tzinfo is not None,
    "a_time": lambda v: type(v) is datetime.time,
    "a_timedelta": lambda v: type(v) is datetime.timedelta,
    "a_decimal": lambda v: type(v) is Decimal and v.is_finite(),
    "a_uuid": lambda v: type(v) is uuid.UUID,
    "a_path": lambda v: isinstance(v, pathlib.Path),
    "old_optional": lambda v: v is None or is_int(v),
    "new_optional": lambda v: v is None or is_date(v),
    "old_union": lambda v: type(v) in (int, str),
    "wide_union": lambda v: is_date(v) or is_int(v) or each(list, v, is_date) or type(v) is dict and all(map(is_int, v.values())),
    "set_or_dict": lambda v: each(set, v, is_int) or type(v) is dict and all(map(is_int, v.values())),
    "decimal_or_date": lambda v: is_date(v) or type(v) is Decimal,
    "numbers": lambda v: type(v) in (int, float),
    "literal": lambda v: type(v) in (str, int) and v in ("a", 1),
    "enum_literal": lambda v: v is Colour.RED or v is None,
    "described": is_int,
    "new_type": is_int,
    "new_date": is_date,
    "final": is_int,
    "type_variable": lambda v: True,
    "an_enum": lambda v: type(v) is Colour,
    "an_int_enum": lambda v: type(v) is Level,
    "a_str_enum": lambda v: type(v) is Word,
    "list_of_dates": lambda v: each(list, v, is_date),
    "old_list": lambda v: each(list, v, is_int),
    "nested_lists": lambda v: each(list, v, lambda row: each(list, row, is_int)),
    "sequence": lambda v: each(list, v, is_int),
    "iterable": lambda v: each(list, v, is_int),
    "a_deque": lambda v: each(collections.deque, v, is_int),
    "fixed_tuple": lambda v: each(tuple, v) and is_int(v[0]) and type(v[1]) is str and len(v) == 2,
    "long_tuple": lambda v: each(tuple, v, is_int),
    "set_of_ints": lambda v: each(set, v, is_int),
    "frozen": lambda v: each(frozenset, v, is_date),
    "mapping": lambda v: type(v) is dict and all(map(is_date, v.values())),
    "int_keys": lambda v: type(v) is dict and all(map(is_int, v)),
    "date_keys": lambda v: type(v) is dict and all(map(is_date, v)),
    "enum_keys": lambda v: type(v) is dict and all(type(key) is Word for key in v),
    "a_point": is_point,
    "points": lambda v: type(v) is dict and all(map(is_point, v.values())),
    "keyed": lambda v: type(v) is Keyed and is_int(v.x) and type(v.label or "") is str and (v.day is None or is_date(v.day)),
    "node": is_node,
    "boxed": lambda v: type(v) is Box,
    "a_pair": lambda v: type(v) is Pair and is_int(v.x) and (v.day is None or is_date(v.day)),
    "movie": lambda v: type(v) is dict and is_int(v["x"]) and type(v.get("y", "")) is str,
    "loose": lambda v: type(v) is dict and is_int(v["x"]) and ("day" not in v or is_date(v["day"])),
    "tree": is_tree,
    "unknown": lambda v: True,
}
NOT_GIVEN = object()


def main(
    *,
    an_int: int = NOT_GIVEN,
    a_float: float = NOT_GIVEN,
    a_bool: bool = NOT_GIVEN,
    a_str: str = NOT_GIVEN,
    a_none: None = NOT_GIVEN,
    a_list: list = NOT_GIVEN,
    a_dict: dict = NOT_GIVEN,
    a_tuple: tuple = NOT_GIVEN,
    a_set: set = NOT_GIVEN,
    some_bytes: bytes = NOT_GIVEN,
    a_bytearray: bytearray = NOT_GIVEN,
    anything: Any = NOT_GIVEN,
    an_object: object = NOT_GIVEN,
    a_date: Date = NOT_GIVEN,
    a_datetime: datetime.datetime = NOT_GIVEN,
    a_time: datetime.time = NOT_GIVEN,
    a_timedelta: datetime.timedelta = NOT_GIVEN,
    a_decimal: Decimal = NOT_GIVEN,
    a_uuid: uuid.UUID = NOT_GIVEN,
    a_path: pathlib.Path = NOT_GIVEN,
    old_optional: Optional[int] = NOT_GIVEN,
    new_optional: datetime.date | None = NOT_GIVEN,
    old_union: Union[int, str] = NOT_GIVEN,
    wide_union: int | datetime.date | list[datetime.date] | dict[str, int] = NOT_GIVEN,
    set_or_dict: set[int] | dict[str, int] = NOT_GIVEN,
    decimal_or_date: Union[Decimal, datetime.date] = NOT_GIVEN,
    numbers: int | float = NOT_GIVEN,
    literal: Literal["a", 1] = NOT_GIVEN,
    enum_literal: Literal[Colour.RED, None] = NOT_GIVEN,
    described: Annotated[int, "how many"] = NOT_GIVEN,
    new_type: UserId = NOT_GIVEN,
    new_date: Birthday = NOT_GIVEN,
    final: Annotated[UserId, "twice wrapped"] = NOT_GIVEN,
    type_variable: T = NOT_GIVEN,
    an_enum: Colour = NOT_GIVEN,
    an_int_enum: Level = NOT_GIVEN,
    a_str_enum: Word = NOT_GIVEN,
    list_of_dates: list[datetime.date] = NOT_GIVEN,
    old_list: typing.List[int] = NOT_GIVEN,
    nested_lists: list[list[int]] = NOT_GIVEN,
    sequence: typing.Sequence[int] = NOT_GIVEN,
    iterable: collections.abc.Iterable[int] = NOT_GIVEN,
    a_deque: collections.deque[int] = NOT_GIVEN,
    fixed_tuple: tuple[int, str] = NOT_GIVEN,
    long_tuple: tuple[int, ...] = NOT_GIVEN,
    set_of_ints: set[int] = NOT_GIVEN,
    frozen: frozenset[datetime.date] = NOT_GIVEN,
    mapping: collections.abc.Mapping[str, datetime.date] = NOT_GIVEN,
    int_keys: dict[int, str] = NOT_GIVEN,
    date_keys: dict[datetime.date, Any] = NOT_GIVEN,
    enum_keys: dict[Word, int] = NOT_GIVEN,
    a_point: Point = NOT_GIVEN,
    points: dict[str, Point] = NOT_GIVEN,
    keyed: Keyed = NOT_GIVEN,
    node: Node = NOT_GIVEN,
    boxed: Box[int] = NOT_GIVEN,
    a_pair: Pair = NOT_GIVEN,
    movie: Movie = NOT_GIVEN,
    loose: Loose = NOT_GIVEN,
    tree: Tree = NOT_GIVEN,
    unknown: "NoSuchName" = NOT_GIVEN,
):
    [(name, value)] = [(name, value) for name, value in locals().items() if value is not NOT_GIVEN]
    return {name: value} if BACK else [repr(value), CHECKS[name](value)]


# Gives each value back, as what it was hinted to be.
BACK = False
if BACK:
    Back = TypedDict("Back", dict(main.__annotations__), total=False)
    main.__annotations__["return"] = Back
