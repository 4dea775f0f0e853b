"""Short ways to write definitions in tests."""

from collections.abc import Callable

import pytest

from services.definition import Condition, DefinitionError, Group, leaves, parse

COUNT = {"type": "event_count", "event_type": "order_placed", "operator": "gte", "value": 1}


def all_of(*conditions: object) -> dict[str, object]:
    """A definition that joins conditions by AND."""
    return {"logic": "AND", "conditions": list(conditions)}


def parsed(condition: object) -> Condition:
    """The one condition of a definition made of it."""
    ((_, only),) = leaves(parse(all_of(condition)))
    return only


def errors(raw: object, read: Callable[[object], Group] = parse) -> list[str]:
    """Every error of a definition that must not parse."""
    with pytest.raises(DefinitionError) as failure:
        read(raw)
    return failure.value.errors


def errors_of(**changes: object) -> list[str]:
    """The errors of a user_property condition with these keys, without the path to the condition."""
    condition = {"type": "user_property", "property": "plan", **changes}
    found = errors(all_of({key: value for key, value in condition.items() if value is not ...}))
    return [text.removeprefix("conditions[0].") for text in found]
