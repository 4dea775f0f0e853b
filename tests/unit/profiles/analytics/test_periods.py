"""The days and months that numbers are of, at their edges."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from services.profiles.analytics.periods import last_days, midnight, month_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("now", "first", "last"),
    [
        ("2026-04-30T00:00:00Z", date(2026, 4, 1), date(2026, 4, 30)),
        ("2026-04-30T23:59:59.999999Z", date(2026, 4, 1), date(2026, 4, 30)),
        ("2026-03-01T12:00:00Z", date(2026, 1, 31), date(2026, 3, 1)),
        ("2028-03-01T12:00:00Z", date(2028, 2, 1), date(2028, 3, 1)),
        ("2026-01-01T00:30:00+02:00", date(2025, 12, 2), date(2025, 12, 31)),
    ],
)
def test_thirty_days_end_with_today(now: str, first: date, last: date) -> None:
    days = last_days(at(now))
    assert (days[0], days[-1], len(days)) == (first, last, 30)
    assert {later - day for day, later in pairwise(days)} == {timedelta(days=1)}


@pytest.mark.parametrize(
    ("now", "begin", "end"),
    [
        ("2026-04-25T14:32:00Z", "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z"),
        ("2026-04-01T00:00:00Z", "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z"),
        ("2026-01-31T23:59:59.999999Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("2026-02-28T12:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
        ("2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        ("2025-12-31T23:00:00Z", "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T01:00:00+02:00", "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"),
    ],
)
def test_a_month_is_one_of_utc(now: str, begin: str, end: str) -> None:
    assert month_of(at(now)) == (at(begin), at(end))


def test_a_day_begins_at_midnight_in_utc() -> None:
    assert midnight(date(2026, 4, 25)) == datetime(2026, 4, 25, tzinfo=UTC)
