"""JSON Schemas of signatures and hints.

Rules: a parameter without a default is required; `Optional` without a default is
required and nullable; nothing but the named parameters is taken unless there is
`**rest`; classes are written out where they stand, and become `$defs` only where they
refer to themselves; an enum's values stand in the property itself. A hint that says
nothing about JSON allows anything.
"""

import inspect
import typing

forms = use("forms")
hints = use("hints")
models = use("models")
text = use("text")
encode = use("encode")
json = use("json")

NULL = {"type": "null"}
# What `Annotated` may say besides a description, as pydantic and annotated_types name it.
NUMBERS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum", "multiple_of": "multipleOf"}
BOUNDS = {
    "string": {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"},
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
    "integer": NUMBERS,
    "number": NUMBERS,
}


class Unclear(Exception):
    """The hint does not tell what the JSON looks like."""


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
            return {"type": "object"} if hint is dict or hint is typing.Dict else None
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
        return self.with_default(schema, parameter.default, parameter.empty)

    def with_default(self, schema, value, missing):
        if value is missing:
            return schema
        default = self.default(value)
        if default is not None:
            schema = schema | {"default": default[0]}
        return nullable(schema) if value is None and schema else schema

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
        try:
            return self.told(hint)
        except Exception:
            return {}  # anything may stand as a hint

    def told(self, hint):
        if typing.get_origin(hint) is typing.Annotated:
            return self.annotated(typing.get_args(hint))
        if typing.get_origin(hint) in hints.WRAPPERS:
            return self.of(typing.get_args(hint)[0])
        hint = hints.bare(hint)
        if hint is typing.Any or hint is object or hint is inspect.Parameter.empty:
            return {}
        if hint is None:
            return NULL
        form = forms.of(hint)
        if form is not None:
            return form[0] if self.input else forms.shown(form[0])
        origin, parts = typing.get_origin(hint), typing.get_args(hint)
        if hints.is_union(hint):
            return self.union(parts)
        if origin is typing.Literal:
            return enum_schema(hint)
        if origin is not None:
            return self.generic(origin, parts)
        return self.of_class(hint) if isinstance(hint, type) else {}

    def annotated(self, parts):
        schema = dict(self.of(parts[0]))
        for note in parts[1:]:
            if isinstance(note, str):
                schema["description"] = text.clean(note, 1_000)
                continue
            if isinstance(getattr(note, "description", None), str):
                schema["description"] = text.clean(note.description, 1_000)
            for bound in (note, *(getattr(note, "metadata", None) or ())):
                schema |= bounds(schema.get("type"), bound)
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
        if len(distinct) == 2 and NULL in distinct:
            return nullable(next(schema for schema in distinct if schema != NULL))
        return {"anyOf": distinct}

    def generic(self, origin, parts):
        if origin is tuple and parts and not (len(parts) == 2 and parts[1] is Ellipsis):
            each = [self.of(part) for part in parts]
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
            return self.mapping(parts)
        return {}

    def mapping(self, parts):
        schema = {"type": "object"}
        if len(parts) != 2:
            return schema
        key = hints.bare(parts[0])
        names = forms.KEYS[key][0] if key in (int, float, bool) else self.of(parts[0])
        names = {word: rule for word, rule in names.items() if word in ("pattern", "format", "enum")}
        if names:
            schema["propertyNames"] = names
        inner = self.of(parts[1])
        if inner:
            schema["additionalProperties"] = inner
        return schema

    def of_class(self, hint):
        if hints.is_enum(hint):
            return enum_schema(hint)
        if hints.is_model(hint):
            return models.schema(hint.model_json_schema, self.input)
        if hints.is_of_fields(hint):
            return self.written_out(hint)
        if hint in hints.ARRAYS or hint in hints.OBJECTS:
            return self.generic(hint, ())
        adapter = hints.adapter(hint)
        return models.schema(adapter.json_schema, self.input) if adapter is not None else {}

    def written_out(self, hint):
        """A class by its fields, in place; a name only where it is inside itself."""
        if hint in self.open:
            name = self.names.setdefault(hint, "%s%d" % (hint.__name__, len(self.names) + 1))
            return {"$ref": "#/$defs/" + name}
        self.open.append(hint)
        kind = self.typed_dict if hints.is_typed_dict(hint) else self.dataclass if hints.has_fields(hint) else self.named_tuple
        try:
            fields = kind(hint)
        finally:
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
        for name, field in hints.fields(hint, self.input).items():
            schema = dict(self.of(known.get(name, typing.Any)))
            properties[name] = self.with_default(schema, field.default, missing)
            if field.default is missing and field.default_factory is missing or not self.input:
                required.append(name)
        return object_schema(properties, required)

    def typed_dict(self, hint):
        known = hints.of(hint)
        properties = {name: self.of(inner) for name, inner in known.items()}
        return object_schema(properties, hints.required_keys(hint, known))

    def named_tuple(self, hint):
        known = hints.of(hint)
        each = []
        for name in hint._fields:
            schema = {"title": name} | self.of(known.get(name, typing.Any))
            each.append(self.with_default(schema, hint._field_defaults.get(name, hint), hint))
        least = len(each) - (len(hint._field_defaults) if self.input else 0)
        return {"type": "array", "prefixItems": each, "minItems": least, "maxItems": len(each)}


def bounds(kinds, note):
    """What a note says of a value's size, in the words of JSON Schema."""
    told = {}
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        for name, word in BOUNDS.get(kind, {}).items():
            bound = getattr(note, name, None)
            if type(bound) in (int, float) or name == "pattern" and type(bound) is str:
                told[word] = bound
    return told


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
    return {"anyOf": [schema, NULL]}


def enum_schema(hint):
    members = hints.members(hint)
    if members is None:
        return {}
    values = [form for form, _ in members]
    kinds = {type(value) for value in values}
    schema = {"enum": values}
    if len(kinds) == 1 and (kind := kinds.pop()) in (str, int, bool, float):
        schema = forms.PLAIN[kind][0] | schema
    return schema
