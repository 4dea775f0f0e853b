"""Examples, composed from those of the fields."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

# Where a field has no example of its own.
BY_FORMAT = {
    "date-time": "2026-04-25T14:32:00Z",
    "email": "ana@example.com",
    "uri": "https://example.com/",
    "uuid": "7d5c1d1e-3f0b-4b56-9c2e-0d8f5a1b2c3d",
}
BY_NAME = {
    "cursor": "",
    "event_type": "order_placed",
    "segment_name": "Loyal customers",
    "uid": "user-123",
    "user_id": "user-123",
}


def example(schema: Json, components: Mapping[str, Json], name: str = "") -> Any:
    """A value that a schema admits; `name` is that of the property it is of."""
    schema = _resolved(schema, components)
    if "examples" in schema:
        return schema["examples"][0]
    match schema.get("type"):
        case "object":
            return _object(schema, components)
        case "array":
            return [example(schema["items"], components, name)]
        case "string":
            return _text(schema, name)
        case "integer" | "number":
            return max(schema.get("minimum", 1), 1)
        case "boolean":
            return False
        case _:
            return None


def _resolved(schema: Json, components: Mapping[str, Json]) -> Json:
    """What a reference leads to, and the first of alternatives, with what is said beside them."""
    if "$ref" in schema:
        return _resolved(components[schema["$ref"].rpartition("/")[2]] | _without(schema, "$ref"), components)
    for word in ("anyOf", "oneOf"):
        if word in schema and "properties" not in schema:
            return _resolved(schema[word][0] | _without(schema, word), components)
    return schema


def _without(schema: Json, word: str) -> Json:
    return {key: value for key, value in schema.items() if key != word}


def _object(schema: Json, components: Mapping[str, Json]) -> Json:
    """The properties that are required or have an example."""
    return {
        name: example(own, components, name)
        for name, own in schema.get("properties", {}).items()
        if name in schema.get("required", ()) or "examples" in _resolved(own, components)
    }


def _text(schema: Json, name: str) -> str:
    choices = schema.get("enum") or [schema.get("const")]
    return str(choices[0] or BY_FORMAT.get(schema.get("format", "")) or BY_NAME.get(name, "text"))
