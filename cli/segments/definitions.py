"""Definitions as JSON, and the segments they refer to: by id, or in files also by name."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from services.definition.attributes import name_errors
from services.definition.parser import DEEPEST_GROUP

Json = dict[str, Any]
# A segment as a condition refers to it.
Reference = str | int


def canonical(value: object) -> Any:
    """JSON as it comes back from the service: 30.0 is 30. Raises TypeError or ValueError for what is not JSON."""
    encoded = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return json.loads(encoded, parse_float=_number)


def same(one: object, other: object) -> bool:
    """Whether two JSON values are equal; unlike Python's, `true` is not 1. The order of keys does not count."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def references(definition: object) -> list[tuple[str, Reference]]:
    """The segments a definition refers to, each with the path of the key that does."""
    found: list[tuple[str, Reference]] = []

    def note(path: str, condition: Json) -> Json:
        key = "segment" if "segment" in condition else "segment_id"
        found.append((f"{path}.{key}", condition[key]))
        return condition

    _rewritten(definition, note)
    return found


def stood_in(definition: object) -> tuple[object, list[str]]:
    """The definition with an id in place of each name, for the parser, and what is wrong with the names."""
    errors: list[str] = []

    def stand_in(path: str, condition: Json) -> Json:
        # With both keys the parser does not know the one that it never knows.
        if "segment" not in condition or "segment_id" in condition:
            return condition
        errors.extend(f"{path}.segment: {text}" for text in name_errors(condition["segment"]))
        return _with(condition, "segment_id", 1)

    return _rewritten(definition, stand_in), errors


def with_ids(definition: Json, ids: Mapping[str, int]) -> Json:
    """The definition with ids in place of names; a name without an id stays."""

    def resolve(_: str, condition: Json) -> Json:
        segment_id = ids.get(condition.get("segment", ""))
        return condition if segment_id is None else _with(condition, "segment_id", segment_id)

    resolved: Json = _rewritten(definition, resolve)
    return resolved


def with_names(definition: object, names: Mapping[int, str]) -> Any:
    """The definition with names in place of ids, as people read it; an id without a name stays."""

    def name(_: str, condition: Json) -> Json:
        known = names.get(condition.get("segment_id", 0))
        return condition if known is None else _with(condition, "segment", known)

    return _rewritten(definition, name)


def _with(condition: Json, key: str, value: Reference) -> Json:
    rest = {name: item for name, item in condition.items() if name not in ("segment", "segment_id")}
    return {**rest, key: value}


def _rewritten(definition: Any, change: Callable[[str, Json], Json], path: str = "") -> Any:
    """A copy of a definition with every segment_membership condition as `change(path, condition)` returns it."""
    conditions = definition.get("conditions") if isinstance(definition, dict) else None
    # The parser refuses what is deeper.
    if not isinstance(conditions, list) or path.count("[") >= DEEPEST_GROUP:
        return definition

    def node(item: object, place: str) -> object:
        if isinstance(item, dict) and item.get("type") == "segment_membership":
            return change(place, item)
        return _rewritten(item, change, f"{place}.")

    return {**definition, "conditions": [node(item, f"{path}conditions[{at}]") for at, item in enumerate(conditions)]}


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number
