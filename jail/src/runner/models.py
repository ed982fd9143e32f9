"""Schemas that pydantic makes, with their references written out."""


def schema(tell, input):
    """pydantic knows best; its references are written out where they are finite."""
    try:
        whole = tell(mode="validation" if input else "serialization")
    except Exception:
        return {"type": "object"}
    definitions = whole.pop("$defs", {})
    if any(refers_to_itself(name, definitions) for name in definitions):
        return {"type": "object"}
    return inlined(whole, definitions)


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
