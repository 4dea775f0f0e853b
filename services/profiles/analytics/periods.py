"""Windows, days and months that numbers are of, all of UTC."""

from datetime import UTC, date, datetime, timedelta

WINDOW = timedelta(days=30)
DAY = timedelta(days=1)


def midnight(day: date) -> datetime:
    """When a day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def last_days(now: datetime) -> list[date]:
    """The last 30 days, oldest first, today among them."""
    today = now.astimezone(UTC).date()
    return [today - DAY * back for back in reversed(range(WINDOW.days))]


def month_of(now: datetime) -> tuple[datetime, datetime]:
    """When the month of `now` begins, and when the next one does."""
    first = now.astimezone(UTC).date().replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return midnight(first), midnight(following)
