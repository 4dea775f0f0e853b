"""When a segment is computed by its schedule."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.segments.schedule import following, refresh_at

NOW = datetime(2026, 4, 25, 12, 0, tzinfo=UTC)
PLANNED = NOW + timedelta(minutes=3)
SCHEDULED = {"refresh_minutes": 30, "is_active": True, "definition": {"logic": "AND"}}


def test_a_segment_that_becomes_scheduled_is_computed_an_interval_later() -> None:
    assert refresh_at(None, SCHEDULED, NOW) == NOW + timedelta(minutes=30)
    for unscheduled in ({"refresh_minutes": None}, {"is_active": False}, {"definition": None}):
        before = {**SCHEDULED, **unscheduled, "refresh_at": None}
        assert refresh_at(before, SCHEDULED, NOW) == NOW + timedelta(minutes=30)


@pytest.mark.parametrize("change", [{"refresh_minutes": None}, {"is_active": False}, {"definition": None}])
def test_a_segment_that_is_not_scheduled_has_no_time(change: dict[str, object]) -> None:
    assert refresh_at(None, {**SCHEDULED, **change}, NOW) is None
    assert refresh_at({**SCHEDULED, "refresh_at": PLANNED}, {**SCHEDULED, **change}, NOW) is None


def test_only_another_interval_moves_the_time() -> None:
    before = {**SCHEDULED, "refresh_at": PLANNED}
    assert refresh_at(before, {**before, "name": "m", "definition": {"logic": "OR"}}, NOW) == PLANNED
    assert refresh_at(before, {**before, "refresh_minutes": 5}, NOW) == NOW + timedelta(minutes=5)


@given(st.integers(min_value=0, max_value=10_000_000), st.integers(min_value=5, max_value=10_080))
def test_what_was_missed_is_passed_over_in_the_rhythm_of_the_schedule(late_seconds: int, minutes: int) -> None:
    every = timedelta(minutes=minutes)
    due = NOW - timedelta(seconds=late_seconds)
    planned = following(due, every, NOW)
    assert NOW < planned <= NOW + every
    assert (planned - due) % every == timedelta(0)
