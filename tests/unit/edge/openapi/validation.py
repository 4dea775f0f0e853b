"""JSON Schema validation against the API document's own schemas."""

from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from edge.openapi.document import build

Json = dict[str, Any]

DOCUMENT = build()
_PLACE = "urn:document"


def _absolute(node: Any) -> Any:
    """The same with references that lead into the document from everywhere."""
    if isinstance(node, list):
        return [_absolute(item) for item in node]
    if isinstance(node, dict):
        return {key: _PLACE + value if key == "$ref" else _absolute(value) for key, value in node.items()}
    return node


_REGISTRY: Registry[Any] = Registry().with_resource(_PLACE, DRAFT202012.create_resource(_absolute(DOCUMENT)))


def errors(schema: Json, value: object) -> list[str]:
    """What a schema of the document says against a value."""
    validator = Draft202012Validator(_absolute(schema), registry=_REGISTRY)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
