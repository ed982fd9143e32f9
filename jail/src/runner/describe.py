"""What a version is, told from its signature, hints and docstrings.

Rules: a parameter without a default is required; `Optional` without a default is
required and nullable; nothing but the named parameters is taken unless there is
`**rest`; classes are written out where they stand, and become `$defs` only where they
refer to themselves; an enum's values stand in the property itself. A hint that says
nothing about JSON allows anything.
"""

import inspect
import typing

hints = use("hints")
text = use("text")
encode = use("encode")
json = use("json")

MOST = 64 << 10
PLAIN = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    dict: {"type": "object"},
    list: {"type": "array"},
    tuple: {"type": "array"},
    set: {"type": "array", "uniqueItems": True},
    frozenset: {"type": "array", "uniqueItems": True},
    bytes: {"type": "string", "contentEncoding": "base64"},
}
BY_NAME = {
    "datetime.date": {"type": "string", "format": "date"},
    "datetime.datetime": {"type": "string", "format": "date-time"},
    "datetime.time": {"type": "string", "format": "time"},
    "datetime.timedelta": {"type": "number"},
    "decimal.Decimal": {"type": ["string", "number"]},
    "uuid.UUID": {"type": "string", "format": "uuid"},
    "pathlib.Path": {"type": "string"},
    "pathlib.PurePath": {"type": "string"},
    "pathlib.PosixPath": {"type": "string"},
}


class Unclear(Exception):
    """The hint does not tell what the JSON looks like."""


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
        told["input_schema"] = written(Schemas(input=True).call(entry, known))
    if "return" in known:
        try:
            told["output_schema"] = written(Schemas(input=False).whole(known["return"]))
        except Unclear:
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


class Schemas:
    """Builds one schema; classes met on the way in are `open` until they are written."""

    def __init__(self, input):
        self.input = input
        self.open = []
        self.names = {}
        self.definitions = {}

    def call(self, entry, known):
        try:
            signature = inspect.signature(entry)
        except (TypeError, ValueError):
            return {"type": "object"}
        parameters = list(signature.parameters.values())
        if hints.takes_whole(parameters, known):
            hint = known.get(parameters[0].name)
            return {"type": "object"} if hint in (dict, typing.Dict) else None
        properties, required, rest = {}, [], False
        for parameter in parameters:
            hint = known.get(parameter.name)
            if parameter.kind is parameter.VAR_KEYWORD:
                rest = True if hint is None else self.of(hint)
            elif parameter.kind in hints.NAMED:
                properties[parameter.name] = self.parameter(parameter, hint)
                if parameter.default is parameter.empty:
                    required.append(parameter.name)
        schema = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        if rest is False or rest not in (True, {}):
            schema["additionalProperties"] = rest
        return self.finished(schema)

    def parameter(self, parameter, hint):
        schema = dict(self.of(hint)) if hint is not None else {}
        if parameter.default is not parameter.empty:
            default = self.default(parameter.default)
            if default is not None:
                schema["default"] = default[0]
            if parameter.default is None and schema:
                schema = nullable(schema)
        return schema

    def default(self, value):
        """The default in a list, where it has a short JSON form."""
        try:
            whole = encode.encode(value)
            return [json.loads(whole)] if len(whole) <= 1_000 else None
        except BaseException:
            return None

    def whole(self, hint):
        schema = self.of(hint)
        if schema == {}:
            raise Unclear
        return self.finished(schema)

    def finished(self, schema):
        if self.definitions:
            schema = dict(schema)
            schema["$defs"] = self.definitions
        return schema

    def of(self, hint):
        if hint is typing.Any or hint is object or hint is inspect.Parameter.empty:
            return {}
        if hint is None:
            return PLAIN[type(None)]
        if hint in PLAIN:
            return PLAIN[hint]
        origin, parts = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Annotated:
            return self.annotated(parts)
        if origin in (typing.Required, typing.NotRequired, typing.Final, typing.ClassVar):
            return self.of(parts[0]) if parts else {}
        if hints.is_union(hint):
            return self.union(parts)
        if origin is typing.Literal:
            return {"enum": [getattr(part, "value", part) for part in parts]}
        if origin is not None:
            return self.generic(origin, parts)
        if isinstance(hint, type):
            return self.of_class(hint)
        supertype = getattr(hint, "__supertype__", None)
        return self.of(supertype) if supertype is not None else {}

    def annotated(self, parts):
        schema = dict(self.of(parts[0]))
        for note in parts[1:]:
            if isinstance(note, str):
                schema["description"] = text.clean(note, 1_000)
            elif isinstance(getattr(note, "description", None), str):
                schema["description"] = text.clean(note.description, 1_000)
        return schema

    def union(self, parts):
        schemas = [self.of(part) for part in parts]
        if {} in schemas:
            return {}
        distinct = []
        for schema in schemas:
            if schema not in distinct:
                distinct.append(schema)
        if len(distinct) == 1:
            return distinct[0]
        if all(set(schema) == {"type"} and isinstance(schema["type"], str) for schema in distinct):
            return {"type": [schema["type"] for schema in distinct]}
        if len(distinct) == 2 and PLAIN[type(None)] in distinct:
            return nullable(next(schema for schema in distinct if schema != PLAIN[type(None)]))
        return {"anyOf": distinct}

    def generic(self, origin, parts):
        if origin is tuple and parts and not (len(parts) == 2 and parts[1] is Ellipsis):
            each = [self.of(part) for part in parts if part != ()]
            return {"type": "array", "prefixItems": each, "minItems": len(each), "maxItems": len(each)}
        if origin in hints.ARRAYS:
            schema = {"type": "array"}
            inner = self.of(parts[0]) if parts else {}
            if inner:
                schema["items"] = inner
            if hints.ARRAYS[origin] in (set, frozenset):
                schema["uniqueItems"] = True
            return schema
        if origin in hints.OBJECTS:
            schema = {"type": "object"}
            inner = self.of(parts[1]) if len(parts) == 2 else {}
            if inner:
                schema["additionalProperties"] = inner
            return schema
        return {}

    def of_class(self, hint):
        plain = BY_NAME.get(hints.full_name(hint))
        if plain is not None:
            return plain
        if hints.is_enum(hint):
            return enum_schema(hint)
        if hint in hints.ARRAYS:
            return {"type": "array"}
        if hint in hints.OBJECTS:
            return {"type": "object"}
        if hints.is_model(hint):
            return model_schema(hint, self.input)
        if hasattr(hint, "__dataclass_fields__") or hints.is_typed_dict(hint):
            return self.written_out(hint)
        return {}

    def written_out(self, hint):
        """A class by its fields, in place; a name only where it is inside itself."""
        if hint in self.open:
            name = self.names.setdefault(hint, "%s%d" % (hint.__name__, len(self.names) + 1))
            return {"$ref": "#/$defs/" + name}
        self.open.append(hint)
        fields = self.typed_dict(hint) if hints.is_typed_dict(hint) else self.dataclass(hint)
        self.open.pop()
        name = self.names.get(hint)
        if name is None:
            return fields
        self.definitions[name] = fields
        return {"$ref": "#/$defs/" + name}

    def dataclass(self, hint):
        known = hints.of(hint)
        properties, required = {}, []
        missing = dataclasses_missing()
        for name, field in hint.__dataclass_fields__.items():
            if field._field_type.name != "_FIELD" or (self.input and not field.init):
                continue
            schema = dict(self.of(known.get(name, typing.Any)))
            if field.default is not missing:
                default = self.default(field.default)
                if default is not None:
                    schema["default"] = default[0]
            elif field.default_factory is missing:
                required.append(name)
            properties[name] = schema
        return object_schema(properties, required)

    def typed_dict(self, hint):
        known = hints.of(hint)
        properties = {name: self.of(inner) for name, inner in known.items()}
        return object_schema(properties, [name for name in properties if name in hint.__required_keys__])


def dataclasses_missing():
    import dataclasses

    return dataclasses.MISSING


def object_schema(properties, required):
    schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    schema["additionalProperties"] = False
    return schema


def nullable(schema):
    """The same, or null."""
    if schema.get("type") == "null" or schema == {}:
        return schema
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return schema | {"type": [schema["type"], "null"]}
    if isinstance(schema.get("type"), list):
        return schema if "null" in schema["type"] else schema | {"type": [*schema["type"], "null"]}
    if "enum" in schema:
        return schema if None in schema["enum"] else {k: v for k, v in schema.items() if k != "type"} | {"enum": [*schema["enum"], None]}
    return {"anyOf": [schema, PLAIN[type(None)]]}


def enum_schema(hint):
    values = []
    for member in hint:
        try:
            values.append(json.loads(encode.encode(member.value)))
        except BaseException:
            return {}
    kinds = {type(value) for value in values}
    schema = {"enum": values}
    if len(kinds) == 1 and (kind := kinds.pop()) in (str, int, bool, float):
        schema = PLAIN[kind] | schema
    return schema


def model_schema(hint, input):
    """pydantic knows best; its references are written out where they are finite."""
    try:
        schema = hint.model_json_schema(mode="validation" if input else "serialization")
    except Exception:
        return {"type": "object"}
    definitions = schema.pop("$defs", {})
    if any(refers_to_itself(name, definitions) for name in definitions):
        return {"type": "object"}
    return inlined(schema, definitions)


def inlined(schema, definitions):
    if isinstance(schema, list):
        return [inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if name in definitions:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return inlined(definitions[name], definitions) | rest
    return {key: inlined(value, definitions) for key, value in schema.items()}


def refers_to_itself(name, definitions, path=()):
    if name in path:
        return True
    return any(refers_to_itself(inner, definitions, (*path, name)) for inner in references(definitions.get(name)))


def references(schema):
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix("#/$defs/")
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for part in schema:
            yield from references(part)
