"""JSON values of events as protobuf Structs and Values, whose numbers are doubles."""

import json
from math import isinf
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct, Value

from services.kit.wire import struct


def parse_object(text: str) -> Struct:
    """The object in a JSON text. Of a repeated key the first value counts, as it does in segments."""
    return struct(json.loads(text, parse_int=_number, object_pairs_hook=_first_of_each))


def parse_value(text: str) -> Value:
    """Any value in a JSON text, likewise."""
    return value_of(json.loads(text, parse_int=_number, object_pairs_hook=_first_of_each))


def value_of(decoded: Any) -> Value:
    """Any decoded JSON value."""
    return ParseDict(decoded, Value())


def _number(digits: str) -> float | str:
    # Beyond 2^53 a double loses digits; beyond its range only the text is left.
    value = float(digits)
    return digits if isinf(value) else value


def _first_of_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return dict(reversed(pairs))
