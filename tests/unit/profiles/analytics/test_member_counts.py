"""How long counts of members hold."""

from dataclasses import replace
from typing import Any

import pytest

from services.profiles.analytics.member_counts import MemberCounts, State

SEGMENTS: Any = [(1, 7, 100), (2, 8, 100)]
STATE = State(segments=SEGMENTS, newest_link=3)
COUNTS = MemberCounts(state=STATE, holds_until=50.0, persons=150, members={1: 100, 2: 100}, largest=[((1, 2), 50)])


@pytest.mark.parametrize(
    ("changed", "now", "holds"),
    [
        ({}, 99.0, True),
        ({"newest_link": 4}, 49.0, True),
        ({"newest_link": 4}, 50.0, False),
        ({"segments": [(1, 9, 100), (2, 8, 100)]}, 49.0, False),
        ({"segments": SEGMENTS[:1]}, 49.0, False),
    ],
)
def test_it_holds_until_a_membership_changes_and_a_while_after_a_link(
    changed: dict[str, Any], now: float, holds: bool
) -> None:
    assert COUNTS.holds(STATE._replace(**changed), now) is holds


def test_a_quick_count_holds_no_longer_than_its_links() -> None:
    assert not replace(COUNTS, holds_until=0.0).holds(STATE._replace(newest_link=4), 1.0)
