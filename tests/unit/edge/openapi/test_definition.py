"""The segment language as JSON Schema admits what its parser reads, and nothing else."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.definition import DefinitionError, parse
from services.definition.conditions import READERS
from services.definition.parser import MOST_CONDITIONS
from tests.integration.compiler.definitions import groups
from tests.unit.definition.build import COUNT, all_of
from tests.unit.edge.openapi.validation import DOCUMENT, errors

Json = dict[str, Any]

SCHEMA = {"$ref": "#/components/schemas/Definition"}
MISSING = "nothing"
# What may stand where something else should.
OTHERS: list[object] = [
    None, True, 0, -1, 1, 1.5, 36_501, 2**53 + 2, 2**31, "", "x", "in", "eq", "AND", "2026-04-25T14:32:00Z", "a..b",
    "a\x01", "x" * 129, "x" * 257, [], [1, 2], [1, "x"], ["2026-04-25", "2026-04-26"], ["a", "b"], {}, MISSING,
]  # fmt: skip


def is_read(definition: object) -> bool:
    """Whether the parser reads it."""
    try:
        parse(definition)
    except DefinitionError:
        return False
    return True


@settings(max_examples=150, deadline=None)
@given(groups([]))
def test_what_the_parser_reads_is_admitted(definition: Json) -> None:
    assert is_read(definition) == (errors(SCHEMA, definition) == [])


@settings(max_examples=300, deadline=None)
@given(groups([], depth=1), st.data())
def test_what_the_parser_refuses_is_not_admitted(definition: Json, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from([definition, *definition["conditions"]]))
    key = data.draw(st.sampled_from([*place, "value", "value2", "window_days", "surprise"]))
    other = data.draw(st.sampled_from(OTHERS))
    if other == MISSING:
        place.pop(key, None)
    else:
        place[key] = other
    assert is_read(definition) == (errors(SCHEMA, definition) == []), definition


def test_it_knows_every_type_of_condition() -> None:
    assert DOCUMENT["components"]["schemas"]["Condition"]["discriminator"]["mapping"].keys() == READERS.keys()


@pytest.mark.parametrize("count", [0, 1, MOST_CONDITIONS, MOST_CONDITIONS + 1])
def test_a_group_holds_1_to_50_conditions(count: int) -> None:
    definition = all_of(*[COUNT] * count)
    assert is_read(definition) == (errors(SCHEMA, definition) == []) == (1 <= count <= MOST_CONDITIONS)
