"""The compiled SQL finds the users that the plain evaluator finds."""

from datetime import timedelta
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.definition import parse
from tests.integration.compiler.definitions import Json, comparisons, conditions, groups
from tests.integration.compiler.histories import NOW, histories
from tests.integration.compiler.samples import LEAVES
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
    mine, theirs = draw(histories()), draw(histories())
    values = [value for event in mine for value in event.payload.values()]
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


@st.composite
def values_and_comparisons(draw: st.DrawFn) -> tuple[list[object], list[Json]]:
    values = draw(st.lists(LEAVES, min_size=10, max_size=30))
    return values, draw(st.lists(comparisons(values), min_size=5, max_size=8))


@settings(GENERATED, max_examples=40)
@given(values_and_comparisons())
def test_every_value_compares_as_in_the_oracle(warehouse: Warehouse, case: tuple[list[object], list[Json]]) -> None:
    values, found = case
    history = [
        Event(
            user_id=f"user {index}",
            event_type="context_identified",
            occurred_at=NOW,
            received_at=NOW + timedelta(milliseconds=index),
            event_id=UUID(int=index),
            payload={"p": value},
        )
        for index, value in enumerate(values)
    ]
    (tenant,) = warehouse.load(history)
    for index, comparison in enumerate(found):
        of_event: Json = {"type": "event_property", "event_type": "context_identified", "property": "p"}
        of_user: Json = {"type": "user_property", "property": "p"}
        condition = (of_event if index % 2 else of_user) | comparison
        _check(warehouse, tenant, history, {"logic": "AND", "conditions": [condition]})
