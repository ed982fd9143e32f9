"""What a version is, told from its signature, hints and docstrings."""

import inspect

hints = use("hints")
schemas = use("schemas")
text = use("text")
encode = use("encode")

MOST = 64 << 10


def describe(bound):
    """Parts of the answer to the worker."""
    told = {"doc": None, "input_schema": None, "output_schema": None}
    module = bound.module
    if bound.entry == "script":
        has_doc = "__doc__" in bound.code.co_names
        told["doc"] = first_text(bound.code.co_consts[0]) if has_doc else None
        return told
    entry = module.__dict__[bound.entry]
    told["doc"] = first_text(getattr(entry, "__doc__", None)) or first_text(module.__doc__)
    known = hints.of(entry)
    if bound.entry == "main":
        told["input_schema"] = written(schemas.Schemas(input=True).call(entry, known))
    if "return" in known:
        try:
            told["output_schema"] = written(schemas.Schemas(input=False).whole(known["return"]))
        except schemas.Unclear:
            pass
    return told


def first_text(doc):
    if not isinstance(doc, str) or not doc.strip():
        return None
    return text.clean(inspect.cleandoc(doc), 4_000)


def written(schema):
    """As text; None where it is too large or says nothing."""
    if schema is None or schema in ({}, True):
        return None
    whole = encode.encode(schema)
    return whole.decode("utf-8") if len(whole) <= MOST else None
