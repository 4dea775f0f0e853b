"""The SQL finds, window by window, who entered and who left between two states, as plain Python does."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.connectors.sync_difference import difference
from services.connectors.sync_ledger_store import END, Change, changes_between, window_ends
from services.connectors.sync_position import NOBODY, State
from services.kit.postgres import Database
from tests.integration.connectors.ledger import Segment

# Ids of which some begin alike, and some are more than one byte a character.
USERS = ["", "\U0010fffe", *(f"u{a}{b}" for a in "aé\U00010000" for b in ("", "a", "é", "z"))][1:]

GENERATED = settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Who is a member after each compute of two segments; None where the other one is computed.
COMPUTES = st.lists(st.tuples(st.booleans(), st.frozensets(st.sampled_from(USERS))), min_size=1, max_size=8)


async def windows(database: Database, tenant_id: int, sent: State, target: State, rows: int) -> list[list[Change]]:
    """The changes of every window."""
    found: list[list[Change]] = []
    differs, after = difference(sent, target), ""
    while after < END:
        async with database.tenant(tenant_id) as connection:
            for through in await window_ends(connection, differs, after=after, last=END, rows=rows, windows=3):
                assert through > after
                changes = await changes_between(connection, differs, after=after, through=through)
                assert all(after < user <= through for user, _ in changes)
                found.append(list(changes))
                after = through
    return found


@GENERATED
@given(computes=COMPUTES, rows=st.integers(1, 12), data=st.data())
async def test_windows_hold_what_differs_between_any_two_states(
    database: Database, tenant_id: int, computes: list[tuple[bool, frozenset[str]]], rows: int, data: st.DataObject
) -> None:
    pair = [await Segment.create(database, tenant_id) for _ in range(2)]
    for is_second, members in computes:
        await pair[is_second].compute(members)
    states = {State(segment_id=one.id, run_id=run): members for one in pair for run, members in one.runs.items()}
    states[NOBODY] = frozenset()
    sent, target = (data.draw(st.sampled_from(sorted(states, key=repr))) for _ in range(2))
    expected = [(user, True) for user in states[target] - states[sent]]
    expected += [(user, False) for user in states[sent] - states[target]]
    found = await windows(database, tenant_id, sent, target, rows)
    assert list(itertools.chain(*found)) == sorted(expected)
    assert max(map(len, found)) <= rows


async def test_a_user_who_left_and_came_back_does_not_differ(database: Database, tenant_id: int) -> None:
    segment = await Segment.create(database, tenant_id)
    first = await segment.compute(["ann", "bob"])
    await segment.compute(["bob"])
    last = await segment.compute(["ann", "bob", "cid"])
    sent, target = (State(segment_id=segment.id, run_id=run) for run in (first, last))
    assert await windows(database, tenant_id, sent, target, 10) == [[("cid", True)]]


@pytest.mark.parametrize("rows", [1, 7, 1000])
async def test_windows_are_as_large_as_asked_for_however_users_are_spread_over_runs(
    database: Database, tenant_id: int, rows: int
) -> None:
    segment = await Segment.create(database, tenant_id)
    first = await segment.compute([])
    users = [f"user-{number:03}" for number in range(60)]
    for start in range(0, 60, 6):
        await segment.compute(segment.members | {*users[start : start + 6]})
    sent, target = (State(segment_id=segment.id, run_id=run) for run in (first, max(segment.runs)))
    found = await windows(database, tenant_id, sent, target, rows)
    assert [user for user, _ in itertools.chain(*found)] == users
    assert len([window for window in found if window]) == -(-60 // rows)


async def test_another_tenants_ledger_is_out_of_sight(database: Database, tenant_id: int) -> None:
    segment = await Segment.create(database, tenant_id)
    target = State(segment_id=segment.id, run_id=await segment.compute(["ann"]))
    assert await windows(database, tenant_id, NOBODY, target, 10) == [[("ann", True)]]
    assert await windows(database, tenant_id + 1_000_000, NOBODY, target, 10) == [[]]
