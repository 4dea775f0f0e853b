"""A definition between the wire and the database: plain JSON, with whole numbers as integers."""

import json
import math

from google.protobuf.struct_pb2 import Value

# Above this a 64-bit float no longer holds every whole number.
LARGEST_EXACT = 2**53


def plain(value: Value) -> object:
    """A protobuf Value as plain JSON: 30.0 becomes 30; NaN and infinity, which JSON does not have, become null."""
    match value.WhichOneof("kind"):
        case "struct_value":
            return {name: plain(item) for name, item in value.struct_value.fields.items()}
        case "list_value":
            return [plain(item) for item in value.list_value.values]
        case "number_value":
            return _number(value.number_value)
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def same(one: object, other: object) -> bool:
    """Whether two JSON values are equal; unlike Python's, `true` is not 1. The order of keys does not count."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def encoded(definition: object) -> str:
    """A definition as JSON text."""
    return json.dumps(definition, ensure_ascii=False)


def _number(number: float) -> float | int | None:
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) <= LARGEST_EXACT else number
