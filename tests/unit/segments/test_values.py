"""Definitions are compared as JSON."""

from services.segments.values import same


def test_equal_is_equal_as_json() -> None:
    assert same({"a": 1, "b": [2]}, {"b": [2], "a": 1})
    assert not same({"a": 1}, {"a": True})
    assert not same([1, 2], [2, 1])
    assert not same(None, {})
