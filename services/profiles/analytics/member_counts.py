"""Who is in segments, counted for whoever asks and remembered until a membership changes."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from time import monotonic
from typing import NamedTuple

from sqlalchemy import Row

from services.kit.errors import Unavailable
from services.kit.postgres import Database
from services.profiles.analytics import store
from services.profiles.analytics.tally import Pair, Tally

# Pairs of segments.
LARGEST = 20
# To read so many persons holds other calls up for some milliseconds; to count more at once takes less in all.
READ_AT_ONCE, COUNTED_AT_ONCE = 1_024, 32_768
# Of all tenants, in this process. Each reads 3 million memberships a second.
AT_ONCE = 2
MOST_SECONDS = 300.0
# What takes longer is not counted anew for links before so many times the time that it took.
QUICK_SECONDS, REST = 1.0, 10
# Tenants whose counts are remembered; each takes 20 kB with 100 segments.
MAX_REMEMBERED = 1_000


class StillCounting(Unavailable):
    """The members are still being counted. Ask again."""


class State(NamedTuple):
    """What changes whenever a tenant's memberships do, and whenever links between user ids do."""

    segments: Sequence[Row[int, int | None, int]]
    newest_link: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberCounts:
    """Persons in any segment, in each one by id, and in the pairs with the most in common.

    They are of `state`, or of what came a moment after. Newer links do not count before `holds_until` (monotonic): they
    may come by the hundred a second, and what takes seconds to count cannot be counted for each.
    """

    state: State
    holds_until: float
    persons: int
    members: Mapping[int, int]
    largest: Sequence[tuple[Pair, int]]

    def holds(self, state: State, now: float) -> bool:
        """Whether it is what there is to say of a tenant in this state."""
        return self.state == state or (self.state.segments == state.segments and now < self.holds_until)


@dataclass(frozen=True)
class MemberCounting:
    """Counts for whoever asks, once for all who ask for a tenant meanwhile, and goes on when they hang up."""

    database: Database
    _known: dict[int, MemberCounts] = field(default_factory=dict)
    _running: dict[int, asyncio.Task[MemberCounts]] = field(default_factory=dict)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def of(self, tenant_id: int, *, seconds: float) -> MemberCounts:
        """Those of a tenant. Raises StillCounting after `seconds`."""
        state = await self._state(tenant_id)
        try:
            async with asyncio.timeout(seconds):
                return await self._current(tenant_id, state)
        except TimeoutError as error:
            raise StillCounting(retry_after_seconds=5) from error

    async def close(self) -> None:
        """Ends what is under way."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _current(self, tenant_id: int, state: State) -> MemberCounts:
        known = self._known.get(tenant_id)
        if known and known.holds(state, monotonic()):
            return known
        found = await self._shared(tenant_id)
        # What began before somebody asked may lack what they have seen; what begins after it does not.
        return found if found.holds(state, monotonic()) else await self._shared(tenant_id)

    async def _shared(self, tenant_id: int) -> MemberCounts:
        if tenant_id not in self._running:
            task = self._running[tenant_id] = asyncio.create_task(self._count(tenant_id))
            task.add_done_callback(lambda done: self._finish(tenant_id, done))
        return await asyncio.shield(self._running[tenant_id])

    def _finish(self, tenant_id: int, done: "asyncio.Task[MemberCounts]") -> None:
        del self._running[tenant_id]
        # To read the exception is to have been told of it, also when nobody waits any more.
        if not done.cancelled() and done.exception() is None:
            self._known[tenant_id] = done.result()
            if len(self._known) > MAX_REMEMBERED:
                del self._known[next(iter(self._known))]

    async def _state(self, tenant_id: int) -> State:
        async with self.database.tenant(tenant_id) as connection:
            return State(
                segments=await store.list_computed(connection, tenant_id),
                newest_link=await store.newest_link(connection, tenant_id),
            )

    async def _count(self, tenant_id: int) -> MemberCounts:
        tally = Tally()
        async with self._turns, asyncio.timeout(MOST_SECONDS):
            # Before the memberships: what changes in between is counted, and counted again next time.
            state, started = await self._state(tenant_id), monotonic()
            async with self.database.tenant(tenant_id) as connection:
                persons: list[Sequence[int]] = []
                async with aclosing(store.stream_memberships(connection, tenant_id, READ_AT_ONCE)) as parts:
                    async for part in parts:
                        persons += part
                        if len(persons) >= COUNTED_AT_ONCE:
                            await asyncio.to_thread(tally.add, persons)
                            persons = []
                await asyncio.to_thread(tally.add, persons)
        ended = monotonic()
        took = ended - started
        return MemberCounts(
            state=state,
            holds_until=ended + REST * took if took > QUICK_SECONDS else ended,
            persons=tally.persons,
            members=tally.members,
            largest=tally.largest(LARGEST),
        )
