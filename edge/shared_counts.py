"""Counts that several edges share, on a server of the Redis protocol; without it each goes on with its own."""

import asyncio
import logging
from dataclasses import dataclass, field

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from edge import metrics
from edge.counts import Counts

log = logging.getLogger("limits")

# No request waits longer for the store. A process that waits for a processor must not take its store for lost.
ANSWER_SECONDS = 0.5
CHECK_SECONDS = 1.0
# What is only noted goes to the store so often, in batches of so many names: each takes it a round trip, and us 2 ms.
SHARE_SECONDS = 0.5
SHARED_AT_ONCE = 100
# Longer than a minute, for clocks that differ.
KEEP_SECONDS = 120
# Adding nothing to it tells whether the store takes additions.
CHECK_KEY = "segops:calls"


@dataclass(slots=True)
class Batch:
    """Additions by key that go to the store together, and the counts it answered; none when it is away."""

    amounts: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class Store:
    """The server. What waits while a batch is under way goes with the next: a round trip of its own costs 80 µs."""

    def __init__(self, url: str) -> None:
        self._server = Redis.from_url(url, retry=Retry(NoBackoff(), 0))
        self._next = Batch()
        self._sending: asyncio.Task[None] | None = None
        self.is_up = True

    async def add(self, key: str, amount: int) -> int | None:
        """The count of `key` with this addition; None when the store is away."""
        return await self._queue(key, amount) if self.is_up else None

    async def watch(self) -> None:
        """Looks every second whether the store takes additions, for ever."""
        try:
            while True:
                await self._queue(CHECK_KEY, 0)
                await asyncio.sleep(CHECK_SECONDS)
        finally:
            await self._server.aclose()

    async def _queue(self, key: str, amount: int) -> int | None:
        batch = self._next
        batch.amounts[key] = place = batch.amounts.get(key, 0) + amount
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())
        await batch.answered.wait()
        if key not in batch.counts:
            return None
        return batch.counts[key] - batch.amounts[key] + place

    async def _send(self) -> None:
        while self._next.amounts:
            batch, self._next = self._next, Batch()
            try:
                if self.is_up or CHECK_KEY in batch.amounts:
                    batch.counts = await self._exchange(batch.amounts)
            finally:
                batch.answered.set()

    async def _exchange(self, amounts: dict[str, int]) -> dict[str, int]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._server.pipeline(transaction=False) as line:
                for key, amount in amounts.items():
                    line.incrby(key, amount)
                    line.expire(key, KEEP_SECONDS)
                answers = await line.execute()
        except (RedisError, OSError) as error:
            self._notice(is_up=False, reason=repr(error))
            return {}
        self._notice(is_up=True)
        return dict(zip(amounts, answers[::2], strict=True))

    def _notice(self, *, is_up: bool, reason: str = "") -> None:
        metrics.STORE_UP.set(is_up)
        if is_up and not self.is_up:
            log.warning("the store of the rate limits is back: calls are counted together again")
        if self.is_up and not is_up:
            log.error("the store of the rate limits is away, calls are counted in this process alone: %s", reason)
        self.is_up = is_up


class SharedCounts:
    """Counts in the store, and in this process what is known of them.

    The own count is never above the store's, unless that lost its own: then the own one holds, as it does while the
    store is away.
    """

    def __init__(self, store: Store, own: Counts) -> None:
        self._store = store
        self._own = own
        # Calls that were noted, by key.
        self._unshared: dict[str, int] = {}

    async def add(self, name: str, minute: int, limit: int) -> int:
        """See Counting. Once `limit` is known to be reached the store is not asked."""
        own = await self._own.add(name, minute, limit)
        if own > limit:
            return own
        shared = await self._store.add(key(name, minute), 1)
        if shared is None:
            metrics.COUNTED_ALONE.inc()
            return own
        self._own.learn(name, minute, shared)
        return max(shared, own)

    def note(self, name: str, minute: int) -> None:
        """See Counting."""
        self._own.note(name, minute)
        place = key(name, minute)
        self._unshared[place] = self._unshared.get(place, 0) + 1

    async def made(self, name: str, minute: int) -> int:
        """See Counting."""
        place = key(name, minute)
        shared = await self._store.add(place, self._unshared.pop(place, 0))
        return max(shared or 0, await self._own.made(name, minute))

    async def share(self) -> None:
        """Tells the store what was noted, for ever. What it cannot be told is known here alone."""
        while True:
            await asyncio.sleep(SHARE_SECONDS)
            noted, self._unshared = self._unshared, {}
            while noted:
                some = [noted.popitem() for _ in range(min(len(noted), SHARED_AT_ONCE))]
                await asyncio.gather(*(self._store.add(place, calls) for place, calls in some))

    async def take_back(self, name: str, minute: int) -> None:
        """See Counting."""
        await self._own.take_back(name, minute)
        await self._store.add(key(name, minute), -1)


def key(name: str, minute: int) -> str:
    """Of a count in the store."""
    return f"segops:calls:{minute}:{name}"
