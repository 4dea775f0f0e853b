"""JSON objects as Structs."""

import json

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from services.profiles.objects import parse_object


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{}", {}),
        ('{"a":null,"b":true,"c":[1,"x",{"d":1.5}]}', {"a": None, "b": True, "c": [1, "x", {"d": 1.5}]}),
        ('{"a":1,"b":2,"a":3}', {"a": 1, "b": 2}),
        ('{"a":"\\u0000","":"é"}', {"a": "\0", "": "é"}),
        ('{"a":9007199254740993}', {"a": 9007199254740992}),
        ('{"a":-' + "9" * 5000 + "}", {"a": "-" + "9" * 5000}),
        ('{"a":' + '{"a":' * 15 + "1" + "}" * 16, json.loads('{"a":' * 16 + "1" + "}" * 16)),
    ],
)
def test_an_object_is_shown_as_it_was_sent_as_far_as_doubles_go(text: str, shown: object) -> None:
    assert MessageToDict(parse_object(text)) == shown


SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(SCALARS | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=10)


@given(st.dictionaries(TEXTS, VALUES))
def test_any_object_comes_back_equal(value: dict[str, object]) -> None:
    assert MessageToDict(parse_object(json.dumps(value))) == value
