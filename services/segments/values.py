"""Definitions as JSON."""

import json


def same(one: object, other: object) -> bool:
    """Whether two JSON values are equal; unlike Python's, `true` is not 1. The order of keys does not count."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def encoded(definition: object) -> str:
    """A definition as JSON text."""
    return json.dumps(definition, ensure_ascii=False)
