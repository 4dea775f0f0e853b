from datetime import UTC, datetime, timedelta

import pytest

from services.ingestion.stats import HourStats, Period, period, totals
from services.kit.errors import Invalid

NOW = datetime(2026, 4, 25, 14, 32, 1, tzinfo=UTC)


def hours(day: int, begin: int, end_day: int, end: int) -> Period:
    return Period(begin=datetime(2026, 4, day, begin, tzinfo=UTC), end=datetime(2026, 4, end_day, end, tzinfo=UTC))


@pytest.mark.parametrize(
    ("sent_from", "sent_to", "expected"),
    [
        ("", "", hours(24, 14, 25, 15)),
        ("2026-04-25T10:59:59Z", "", hours(25, 10, 25, 15)),
        ("", "2026-04-25T10:00:00Z", hours(24, 10, 25, 10)),
        ("", "2026-04-25T10:00:00.001Z", hours(24, 10, 25, 11)),
        ("2026-04-25 10:00:00", "2026-04-25T12:30:00+01:00", hours(25, 10, 25, 12)),
        ("2026-04-25T10:00:00Z", "2026-04-25T10:00:00Z", hours(25, 10, 25, 10)),
        ("2026-04-25T10:20:00Z", "2026-04-25T10:30:00Z", hours(25, 10, 25, 11)),
    ],
)
def test_a_period_is_the_whole_hours_that_the_times_are_in(sent_from: str, sent_to: str, expected: Period) -> None:
    assert period(sent_from, sent_to, NOW) == expected


@pytest.mark.parametrize(
    ("sent_from", "sent_to", "fields"),
    [
        ("soon", "later", {"from", "to"}),
        ("2026-04-25", "2026-02-30T00:00:00Z", {"from", "to"}),
        ("2026-04-25T14:32:02Z", "", {"from"}),
        ("2026-04-25T10:00:00Z", "2026-04-25T09:59:59Z", {"from"}),
        ("2025-01-01T00:00:00Z", "", {"from"}),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", {"from", "to"}),
        ("", "9999-12-31T23:59:59Z", {"to"}),
        ("", "1969-12-31T23:59:59Z", {"to"}),
    ],
)
def test_wrong_times_are_field_errors(sent_from: str, sent_to: str, fields: set[str]) -> None:
    with pytest.raises(Invalid) as raised:
        period(sent_from, sent_to, NOW)
    assert set(raised.value.fields) == fields


def test_400_days_are_not_too_many() -> None:
    longest = period((NOW - timedelta(days=400)).isoformat(), NOW.isoformat(), NOW)
    assert longest.end - longest.begin == timedelta(days=400, hours=1)


def test_totals_are_the_sums() -> None:
    some = HourStats(hour=NOW, event_type="a", stored=1, duplicate=20, skipped=300)
    sums = totals([some, some])
    assert (sums.received, sums.stored, sums.duplicate, sums.skipped) == (642, 2, 40, 600)
