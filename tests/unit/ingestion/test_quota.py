"""Arithmetic of quotas."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.ingestion.quota import QuotaExceeded, piece_size, seconds_to_next_month
from services.kit.failures import status_of
from services.kit.plans import PLANS


@pytest.mark.parametrize(
    ("used", "count", "size"),
    [
        (0, 1, 5_000),
        (490_000, 1, 100),
        (490_000, 500, 500),
        (499_999, 1, 1),
        (499_999, 500, 500),
        (500_000, 1, 0),
        (500_499, 500, 0),
    ],
)
def test_pieces_get_smaller_near_the_limit_but_hold_the_batch(used: int, count: int, size: int) -> None:
    assert piece_size(used=used, limit=500_000, count=count) == size


def test_a_piece_holds_10_000_at_most() -> None:
    assert piece_size(used=0, limit=50_000_000, count=1) == 10_000


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        (datetime(2026, 4, 30, 23, 59, 59, tzinfo=UTC), 1),
        (datetime(2026, 4, 30, 23, 59, 59, 999_999, tzinfo=UTC), 1),
        (datetime(2026, 12, 1, tzinfo=UTC), 31 * 86_400),
        (datetime(2026, 1, 31, tzinfo=UTC), 86_400),
        (datetime(2026, 5, 1, 1, tzinfo=timezone(timedelta(hours=2))), 3_600),
    ],
)
def test_the_month_ends_in_utc(now: datetime, seconds: int) -> None:
    assert seconds_to_next_month(now) == seconds


def test_past_the_limit_is_429_with_the_plan_and_its_limit() -> None:
    failure = QuotaExceeded(PLANS["free"], datetime(2026, 4, 30, 23, tzinfo=UTC))
    assert status_of(failure)[1] == 429
    assert failure.retry_after_seconds == 3_600
    assert failure.detail == "The plan 'free' takes 500,000 events a month, and this month's are used up."
