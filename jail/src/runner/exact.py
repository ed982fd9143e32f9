"""Numbers by their text, where the double that JSON makes of them would not do.

`1e30`, `5.0` and `9007199254740993.0` are integers to JSON Schema, and only their text
tells which; a Decimal keeps the digits it was written with. Texts cost time and memory,
and hardly a call needs one: the input is read without them first, and once more with
them where a reader raises `Wanted`.
"""

json = use("json")

# Up to here a double holds every integer.
MOST = 2.0**53
_texts = {}
is_reading = False


class Wanted(BaseException):
    """The text of a number is needed, and was not kept."""


def _remember(written):
    number = float(written)
    # Whatever had this id before is gone.
    _texts[id(number)] = written
    return number


_scan = json.scanner(_remember)


def scan(body, at):
    global is_reading
    is_reading = True
    return _scan(body, at)


def text(number):
    """A float of the input as it was written."""
    written = _texts.get(id(number))
    if written is None:
        if not is_reading:
            raise Wanted
        return float.__repr__(number)
    return written


def integer(number):
    """The integer that a whole float of the input was written as; ValueError if it only was rounded to one.

    The double is finite, so the integer has 309 digits at most: no power to be afraid of.
    """
    written = text(number)
    mantissa, _, power = written.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).rstrip("0")
    spare = len(whole) + len(fraction) - len(digits)
    digits = digits.lstrip("0")
    if not digits:
        return 0
    sign = -1 if power.startswith("-") else 1
    power = power.lstrip("+-0")
    if len(power) > 8:
        raise ValueError("%.40s is no integer" % written)
    shift = sign * int(power or "0") - len(fraction) + spare
    if shift < 0:
        raise ValueError("%.40s is no integer" % written)
    made = int(digits + "0" * shift)
    return -made if mantissa.startswith("-") else made


def as_number(value, hint):
    """`5.0` is an integer in JSON, and `5` a number: the code gets what its hint says."""
    if hint is int and type(value) is float and value.is_integer():
        return integer(value)
    if hint is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise ValueError("the integer is larger than a float can be") from None
    return value


def inside(value):
    """The same value with the integers that stand in it as powers, for readers that aren't ours."""
    kind = type(value)
    if kind is list:
        return [inside(item) for item in value]
    if kind is dict:
        return {name: inside(item) for name, item in value.items()}
    if kind is float and value.is_integer() and not -MOST < value < MOST:
        try:
            return integer(value)
        except ValueError:
            return value
    return value
