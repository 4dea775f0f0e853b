"""The compiled SQL finds the users that the plain evaluator finds."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.definition import parse
from tests.integration.compiler.definitions import Json, comparisons, conditions, groups, sequences
from tests.integration.compiler.histories import DAYS, NOW, histories, paths
from tests.integration.compiler.ledgers import RUNS, SEGMENTS, Change, ledger, members
from tests.integration.compiler.linked import links
from tests.integration.compiler.samples import CORPUS, VALUES
from tests.integration.compiler.warehouse import Warehouse
from tests.oracle.evaluate import NO_LINKS, Links, matching_users
from tests.oracle.history import Event

# Each example is up to five definitions over one history: twice over, the 300 pairs at least of every test run.
QUICK = 60

# The same examples in every run; a failure prints the smallest case found.
GENERATED = settings(
    derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A tenant's events, ledgers and links, another tenant's, definitions, and when they are evaluated.

    `past` evaluates at an instant with later events and runs behind it; `runs` are those of each segment that count.
    """

    mine: list[Event]
    theirs: list[Event]
    ledger: list[Change]
    links: Links
    definitions: list[Json]
    now: datetime
    past: bool
    runs: dict[int, int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    values = draw(st.lists(VALUES, min_size=2, max_size=5))
    mine, theirs = draw(histories(values)), draw(histories(values[:1]))
    single = conditions(values).map(lambda condition: {"logic": "AND", "conditions": [condition]})
    days_ago = draw(st.sampled_from((None, None, *DAYS)))
    return Case(
        mine=mine,
        theirs=theirs,
        ledger=ledger(mine, draw(st.integers(0, 99))),
        links=draw(st.sampled_from((NO_LINKS, NO_LINKS, links(mine, draw(st.integers(0, 99)))))),
        definitions=draw(st.lists(st.one_of(groups(values), single), min_size=2, max_size=5)),
        now=NOW - timedelta(days=days_ago or 0),
        past=days_ago is not None,
        runs={segment_id: draw(st.integers(0, RUNS)) for segment_id in SEGMENTS},
    )


def check(warehouse: Warehouse, case: Case) -> None:
    """The warehouse and the oracle find the same users for every definition of a case."""
    tenant_id, other = warehouse.load(case.mine, case.theirs)
    warehouse.mirror(tenant_id, case.ledger)
    warehouse.mirror(other, [replace(change, entered=True) for change in case.ledger])
    warehouse.link(tenant_id, case.links)
    warehouse.link(other, dict.fromkeys(case.links, "theirs"))
    history = [event for event in case.mine if not case.past or event.occurred_at <= case.now]
    segments = members(case.ledger, runs=case.runs, until=case.now if case.past else None)
    ids = sorted({case.links.get(event.user_id, event.user_id) for event in case.mine})
    for raw in case.definitions:
        group = parse(raw)
        expected = matching_users(group, history, case.now, segments, case.links)
        keys = {"past": case.past, "runs": case.runs, "linked": bool(case.links)}
        assert sorted(warehouse.users(group, tenant_id, case.now, **keys)) == sorted(expected), raw
        if ids:
            half = [(ids[0], ids[len(ids) // 3]), (ids[-1], ids[-1])]
            within = {user for user in expected if any(first <= user <= last for first, last in half)}
            assert set(warehouse.users(group, tenant_id, case.now, ranges=half, **keys)) == within, raw


def check_paths(warehouse: Warehouse, seed: int, definitions: list[Json]) -> None:
    """The warehouse and the oracle find the same users for each sequence over the paths of a seed."""
    history = paths(60, seed)
    (tenant_id,) = warehouse.load(history)
    for raw in definitions:
        group = parse({"logic": "AND", "conditions": [raw]})
        expected = matching_users(group, history, NOW, {})
        assert sorted(warehouse.users(group, tenant_id, NOW)) == sorted(expected), raw


@settings(GENERATED, max_examples=QUICK)
@given(cases())
def test_the_sql_finds_the_users_the_oracle_finds(warehouse: Warehouse, case: Case) -> None:
    check(warehouse, case)


@settings(GENERATED, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.lists(sequences(), min_size=4, max_size=4))
def test_paths_are_followed_as_in_the_oracle(warehouse: Warehouse, seed: int, definitions: list[Json]) -> None:
    check_paths(warehouse, seed, definitions)


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
    group = parse({"logic": "AND", "conditions": [condition]})
    expected = matching_users(group, HOLDERS, NOW, {})
    assert sorted(warehouse.users(group, holders, NOW)) == sorted(expected), condition
