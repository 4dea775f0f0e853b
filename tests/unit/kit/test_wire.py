"""JSON values pass the wire unchanged but for floats that are whole."""

import json
import math

import pytest
from google.protobuf.struct_pb2 import Value

from services.kit.wire import nullable, plain


def test_whole_floats_become_integers_and_everything_else_stays() -> None:
    value = {"a": [1, 1.5, True, None, "30", {}], "b": {"c": -0.25}, "d": 2.0**53, "e": 1e300}
    back = plain(nullable(value))
    assert back == value
    assert json.dumps(plain(nullable({"n": 30.0}))) == '{"n": 30}'
    assert isinstance(plain(Value(number_value=1e300)), float)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_json_has_no_number_for_becomes_null(number: float) -> None:
    assert plain(Value(number_value=number)) is None


def test_nothing_and_null_are_null() -> None:
    assert plain(Value()) is None
    assert plain(nullable(None)) is None
