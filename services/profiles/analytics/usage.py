"""What a tenant has used of what its plan allows."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from services.kit.errors import NotFound
from services.kit.plans import PLANS, Plan, api_calls_per_minute
from services.kit.postgres import Database
from services.profiles.analytics import store
from services.profiles.analytics.periods import month_of

# Events received from the first instant to before the second, whole hours, that are stored.
CountStored = Callable[[datetime, datetime], Awaitable[int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Of the month from `begin` to before `end`. `api_calls_per_minute` is None for any number."""

    plan: Plan
    begin: datetime
    end: datetime
    events: int
    api_calls_per_minute: int | None


async def usage(database: Database, count_stored: CountStored, *, tenant_id: int, now: datetime) -> Usage:
    """What was used in the month of `now`. Raises NotFound for no tenant, and Unavailable.

    Events are those of the warehouse's accounts: the quota counts no events of a plan without a limit, and of others
    also what its replicas have reserved.
    """
    async with database.tenant(tenant_id) as connection:
        found = await store.find_plan(connection, tenant_id)
    if found is None:
        raise NotFound
    begin, end = month_of(now)
    return Usage(
        plan=PLANS[found.plan],
        begin=begin,
        end=end,
        events=await count_stored(begin, end),
        api_calls_per_minute=api_calls_per_minute(found.plan, found.api_calls_per_minute),
    )
