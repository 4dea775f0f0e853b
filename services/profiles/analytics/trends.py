"""Members of segments on the last days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row

from services.kit.postgres import Database
from services.profiles.analytics import store
from services.profiles.analytics.periods import DAY, last_days, midnight


@dataclass(frozen=True, kw_only=True, slots=True)
class Trend:
    """A segment, and its members at the end of each day; the last day is today, the members those there are."""

    segment: Row[Any]
    days: Sequence[tuple[date, int]]

    @property
    def change(self) -> int:
        """From the end of the first day until now."""
        return self.days[-1][1] - self.days[0][1]


async def trends(database: Database, *, tenant_id: int, now: datetime) -> Sequence[Trend]:
    """Those of all segments, by id."""
    days = last_days(now)
    ends = [midnight(day + DAY) for day in days[:-1]]
    async with database.tenant(tenant_id) as connection:
        segments = await store.list_trends(connection, tenant_id, ends)
    return [
        Trend(segment=segment, days=list(zip(days, [*segment.counts, segment.member_count], strict=True)))
        for segment in segments
    ]
