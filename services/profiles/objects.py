"""JSON objects of events as protobuf Structs, whose numbers are doubles."""

import json
from math import isinf

from google.protobuf.struct_pb2 import Struct

from services.kit.wire import struct


def parse_object(text: str) -> Struct:
    """The object in a JSON text. Of a repeated key the first value counts, as it does in segments."""
    return struct(json.loads(text, parse_int=_number, object_pairs_hook=_first_of_each))


def _number(digits: str) -> float | str:
    # Beyond 2^53 a double loses digits; beyond its range only the text is left.
    value = float(digits)
    return digits if isinf(value) else value


def _first_of_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return dict(reversed(pairs))
