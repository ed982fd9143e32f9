"""Calls the user's code with an input and turns what comes back into an answer."""

import sys

frames = use("frames")
json = use("json")
failure = use("failure")
encode = use("encode")
exact = use("exact")

CO_VARARGS, CO_VARKEYWORDS, CO_COROUTINE = 0x4, 0x8, 0x80
RESULT, scan, to_text = frames.RESULT, json.scan, encode.encode
type_, len_, dict_, int_, str_, list_ = type, len, dict, int, str, list
settrace, setprofile = sys.settrace, sys.setprofile
setrecursionlimit, set_int_max_str_digits = sys.setrecursionlimit, sys.set_int_max_str_digits
Function = type(lambda: None)
Module = type(sys)
LIGHT = {"int": int, "float": float, "str": str, "bool": bool, "object": object}


class Context:
    """Second argument of `handler`, and the global `context` of a script."""

    def __init__(self, told):
        told = json.loads(told)
        self.execution_id = told.get("execution_id")
        self.namespace = told.get("namespace")
        self.function = told.get("function")
        self.version = told.get("version")
        self.attempt = told.get("attempt")
        self.deadline_ms = told.get("deadline_ms")

    def remaining_ms(self):
        """Milliseconds until the execution is killed."""
        import time

        return max(0, int(self.deadline_ms - time.time() * 1000))

    get_remaining_time_in_millis = remaining_ms


def prepare(bound, codes):
    """After the import, once: how the entry point is called."""
    if any(makes_coroutines(code) for code in codes):
        import asyncio  # noqa: F401 - in the template, once, rather than in each child
    if bound.entry == "script":
        bound.call = lambda value, told: script(bound.code, value, Context(told))
        return
    entry = bound.module.__dict__[bound.entry]
    if bound.entry == "handler":
        bound.call = lambda value, told: entry(value, Context(told))
    else:
        hints = light_hints(entry)
        if hints is not None:
            bound.call = plain_call(entry, hints)
        else:
            bound.call = use("arguments").converting_call(entry)


def makes_coroutines(code):
    """Whether there is an `async def` anywhere in it: `main` may give what it makes, whatever is around it."""
    inner = [const for const in code.co_consts if type(const) is type(code)]
    return bool(code.co_flags & CO_COROUTINE) or any(makes_coroutines(const) for const in inner)


def light_hints(entry):
    """Hints of an ordinary function, if all ask for plain JSON values; else None."""
    if type(entry) is not Function or hasattr(entry, "__wrapped__") or entry.__code__.co_posonlyargcount:
        return None
    hints = {}
    for name, hint in entry.__annotations__.items():
        if type(hint) is str and hint not in entry.__globals__:
            hint = LIGHT.get(hint, hint)  # from __future__ import annotations
        if name == "return":
            continue
        if not any(hint is kind for kind in LIGHT.values()):
            return None
        hints[name] = hint
    return hints


def plain_call(entry, hints):
    """The usual case, without `inspect`: keyword arguments as they are in the input."""
    if takes_whole(entry):
        return lambda value, told: entry(value)
    numbers = [(name, hint) for name, hint in hints.items() if hint in (int, float)]

    def call(value, told):
        if type_(value) is not dict_:
            refuse(value)
        for name, hint in numbers:
            if name in value and type_(value[name]) is not hint:
                value[name] = number(value[name], hint, name)
        return entry(**value)

    return call


def number(value, hint, name):
    try:
        return exact.as_number(value, hint)
    except ValueError as error:
        raise ValueError("argument %s: %s" % (name, error)) from None


def takes_whole(entry):
    """Whether the one parameter is called `input` or `event` and has no hint."""
    code = entry.__code__
    return (
        code.co_argcount == 1
        and code.co_kwonlyargcount == 0
        and not code.co_flags & (CO_VARARGS | CO_VARKEYWORDS)
        and code.co_varnames[0] in ("input", "event")
        and code.co_varnames[0] not in entry.__annotations__
    )


def keywords(value):
    if type(value) is not dict:
        refuse(value)
    return value


def refuse(value):
    raise TypeError("main() takes its arguments from a JSON object, not from " + json_name(value))


def json_name(value):
    names = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def script(code, value, context):
    """Runs the file from top to bottom as `__main__`."""
    main = Module("__main__")
    main.__dict__.update(input=value, context=context, __file__=code.co_filename, __builtins__=user_builtins)
    sys.modules["__main__"] = main
    sys.argv = [code.co_filename]
    exec(code, main.__dict__)
    return main.__dict__.get("result")


user_builtins = sys.modules["builtins"]


def answer(bound, body, told, most):
    """(kind of frame, its bytes). Each object that is touched here is a page copied in each
    child: the usual way asks for few."""
    try:
        value, end = scan(body, 0)
        if end != len_(body):
            raise ValueError("something follows the JSON text")
        value = bound.call(value, told)
        kind = type_(value)
        # Plain ones first: looking for what isn't there costs most.
        if kind is not dict_ and kind is not int_ and kind is not str_ and kind is not list_:
            if value is not None and getattr(kind, "__await__", None) is not None:
                value = wait(value)
    except exact.Wanted:
        return again(bound, body, told, most)
    except BaseException as error:
        return failed(failure.of_exception(error))
    try:
        text = to_text(value)
    except encode.NotSerializable as error:
        return failed(error.told())
    except BaseException:
        try:
            text = straightened(value)
        except encode.NotSerializable as error:
            return failed(error.told())
        except BaseException as error:
            return failed(encode.broken(error).told())
    if len_(text) > most:
        message = "the result is %d bytes of JSON; at most %d are taken" % (len(text), most)
        return failed({"code": "output_too_large", "message": message})
    return RESULT, text


def again(bound, body, told, most):
    """Once more: an argument is wanted as exactly as its text says it. Nothing of the user's has run."""
    global scan
    scan = exact.scan
    return answer(bound, body, told, most)


def straightened(value):
    """Once more, where the code has bent the interpreter: a trace function, a small limit."""
    settrace(None)
    setprofile(None)
    setrecursionlimit(1_000)
    set_int_max_str_digits(4_300)
    return to_text(value)


def failed(told):
    return frames.FAILURE, json.dumps(told)


def wait(awaitable):
    """The value of a coroutine, on a loop of its own; what else runs there is left behind."""
    import asyncio

    async def value():
        return await awaitable

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(value())
