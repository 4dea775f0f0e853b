"""Monthly quotas by plan, exact over several replicas up to one batch each.

Each replica reserves a piece of what is left of a tenant's month, counted as used, and takes events from it without
asking again. What it does not use it gives back. A process that is killed leaves at most its piece counted and unused.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from math import ceil
from typing import NamedTuple

from services.ingestion import quota_store
from services.ingestion.questions import Questions
from services.kit.errors import Failure, RateLimited, Unavailable
from services.kit.plans import Plan
from services.kit.postgres import Database

log = logging.getLogger("quota")

# Of what is left of the month: the smaller the pieces near the limit, the less one replica keeps from the others.
PIECE_SHARE = 100
MAX_PIECE = 10_000
# An unused piece is given back after so long.
KEPT_SECONDS = 5.0
ROUND_SECONDS = 1.0
# PostgreSQL is asked so often whether there is anything left after all: others may have given back.
USED_UP_SECONDS = 1.0
CLOSE_SECONDS = 2.0


class QuotaExceeded(RateLimited):
    """The events of this month are used up."""

    def __init__(self, plan: Plan, now: datetime) -> None:
        super().__init__(
            f"The plan {plan.name!r} takes {plan.events_per_month:,} events a month, and this month's are used up.",
            retry_after_seconds=seconds_to_next_month(now),
        )


class _Account(NamedTuple):
    """What is counted together."""

    tenant_id: int
    month: date


@dataclass(kw_only=True, slots=True)
class _Piece:
    """Events that are counted already and may be taken here, reserved under a limit at a monotonic time."""

    limit: int
    since: float
    left: int = 0
    used_up: bool = False


class MonthlyQuota:
    """Counts the events of tenants whose plan has a limit. While PostgreSQL is away, what is reserved may be taken."""

    def __init__(self, database: Database, plan_of: Callable[[int], Awaitable[Plan]]) -> None:
        self._database = database
        self._plan_of = plan_of
        self._pieces: dict[_Account, _Piece] = {}
        self._reservations: Questions[_Account, None] = Questions()
        self._closing = asyncio.Event()
        self._rounds = asyncio.create_task(self._keep_giving_back())

    @asynccontextmanager
    async def counted(self, tenant_id: int, count: int, now: datetime) -> AsyncIterator[None]:
        """Counts events that are stored within the block, unless it ends with a failure.

        They are taken when at least one is left of the month in UTC. Raises QuotaExceeded and Unavailable.
        """
        plan = await self._plan_of(tenant_id)
        limit = plan.events_per_month
        if limit is None or not count:
            yield
            return
        account = _Account(tenant_id, now.astimezone(UTC).date().replace(day=1))
        while not self._spend(account, limit, count):
            if self._is_used_up(account, limit):
                raise QuotaExceeded(plan, now)
            await self._reservations.ask(account, partial(self._reserve, account, limit, count))
        try:
            yield
        except Failure:
            self._piece(account, limit).left += count
            raise

    async def close(self) -> None:
        """Gives back what is reserved, as far as that takes no longer than two seconds."""
        self._closing.set()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._rounds
                await self._reservations.settled()
                await self._give_back(list(self._pieces))
        except TimeoutError:
            log.warning("reserved events were not given back")

    def _spend(self, account: _Account, limit: int, count: int) -> bool:
        piece = self._pieces.get(account)
        if piece is None or piece.limit != limit or piece.left < count:
            return False
        piece.left -= count
        return True

    def _is_used_up(self, account: _Account, limit: int) -> bool:
        piece = self._pieces.get(account)
        return (
            piece is not None
            and piece.limit == limit
            and piece.used_up
            and time.monotonic() < piece.since + USED_UP_SECONDS
        )

    def _piece(self, account: _Account, limit: int) -> _Piece:
        return self._pieces.setdefault(account, _Piece(limit=limit, since=time.monotonic()))

    async def _reserve(self, account: _Account, limit: int, count: int) -> None:
        """Gives back the piece that is too small or of another plan, and takes a new one."""
        old = self._pieces.pop(account, _Piece(limit=limit, since=0.0))
        try:
            async with self._database.tenant(account.tenant_id) as connection:
                used = await quota_store.lock_count(connection, *account) - old.left
                size = piece_size(used=used, limit=limit, count=count)
                await quota_store.add_to_count(connection, *account, size - old.left)
        except Unavailable:
            self._piece(account, old.limit).left += old.left
            raise
        piece = self._piece(account, limit)
        piece.limit, piece.since, piece.used_up = limit, time.monotonic(), not size
        piece.left += size

    async def _keep_giving_back(self) -> None:
        while not self._closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), ROUND_SECONDS)
            before = time.monotonic() - KEPT_SECONDS
            await self._give_back([account for account, piece in self._pieces.items() if piece.since < before])

    async def _give_back(self, accounts: Collection[_Account]) -> None:
        for account in accounts:
            piece = self._pieces.pop(account, None)
            if piece is None or not piece.left:
                continue
            try:
                async with self._database.tenant(account.tenant_id) as connection:
                    await quota_store.add_to_count(connection, *account, -piece.left)
            except Exception as error:
                log.warning("reserved events could not be given back: %r", error)
                self._piece(account, piece.limit).left += piece.left


def piece_size(*, used: int, limit: int, count: int) -> int:
    """How many events a replica reserves that needs `count` of them; 0 when the limit is reached."""
    left = limit - used
    return max(count, min(left // PIECE_SHARE, MAX_PIECE)) if left > 0 else 0


def seconds_to_next_month(now: datetime) -> int:
    """Whole seconds until the next month begins in UTC."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=31)).replace(day=1)
    return ceil((following - now).total_seconds())
