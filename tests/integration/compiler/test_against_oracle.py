"""The compiled SQL finds the users that the plain evaluator finds."""

from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.definition import parse
from tests.integration.compiler.definitions import Json, comparisons, conditions, groups
from tests.integration.compiler.histories import NOW, histories
from tests.integration.compiler.samples import CORPUS, VALUES
from tests.integration.compiler.warehouse import Warehouse
from tests.oracle.evaluate import matching_users
from tests.oracle.history import Event

# The same examples in every run; a failure prints the smallest case found.
GENERATED = settings(
    derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def _check(warehouse: Warehouse, tenant_id: int, history: list[Event], raw: Json) -> None:
    group = parse(raw)
    found = warehouse.users(group, tenant_id, NOW)
    assert sorted(found) == sorted(matching_users(group, history, NOW)), raw


@st.composite
def histories_and_definitions(draw: st.DrawFn) -> tuple[list[Event], list[Event], list[Json]]:
    values = draw(st.lists(VALUES, min_size=2, max_size=5))
    mine, theirs = draw(histories(values)), draw(histories(values[:1]))
    single = conditions(values).map(lambda condition: {"logic": "AND", "conditions": [condition]})
    return mine, theirs, draw(st.lists(st.one_of(groups(values), single), min_size=2, max_size=5))


@settings(GENERATED, max_examples=150)
@given(histories_and_definitions())
def test_the_sql_finds_the_users_the_oracle_finds(
    warehouse: Warehouse, case: tuple[list[Event], list[Event], list[Json]]
) -> None:
    mine, theirs, definitions = case
    tenant, _ = warehouse.load(mine, theirs)
    for raw in definitions:
        _check(warehouse, tenant, mine, raw)


HOLDERS = [
    Event(
        user_id=f"user {index}",
        event_type="context_identified",
        occurred_at=NOW,
        received_at=NOW,
        event_id=UUID(int=index),
        payload={"p": value},
    )
    for index, value in enumerate(CORPUS)
]


@pytest.fixture(scope="module")
def holders(warehouse: Warehouse) -> int:
    """A tenant with one user for each value of the corpus."""
    return warehouse.load(HOLDERS)[0]


@settings(GENERATED, max_examples=300)
@given(comparisons(CORPUS), st.sampled_from(("event_property", "user_property")))
def test_every_value_compares_as_in_the_oracle(warehouse: Warehouse, holders: int, comparison: Json, kind: str) -> None:
    condition: Json = {"type": kind, "property": "p", **comparison}
    if kind == "event_property":
        condition["event_type"] = "context_identified"
    _check(warehouse, holders, HOLDERS, {"logic": "AND", "conditions": [condition]})
