"""How many calls a minute a tenant may make by its plan, and an address without valid credentials."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from edge.counts import Counting
from services.kit.errors import RateLimited, Unavailable
from services.kit.networks import network

MINUTE_SECONDS = 60
# A client that reads whole numbers of 32 bits can read it.
ANY_NUMBER = 2**31 - 1


class PlanExhausted(RateLimited):
    """The plan of this tenant allows no more API calls in this minute."""


class AddressExhausted(RateLimited):
    """Too many requests from this address without valid credentials."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """Where a tenant stands in the current minute, with the call that is being decided."""

    limit: int
    calls: int
    seconds_left: int

    def headers(self) -> list[tuple[str, str]]:
        """The standing as its client reads it. Reset is in whole seconds from now, rounded up."""
        return [
            ("x-ratelimit-limit", str(self.limit)),
            ("x-ratelimit-remaining", str(max(0, self.limit - self.calls))),
            ("x-ratelimit-reset", str(self.seconds_left)),
        ]

    def check(self) -> None:
        """Raises PlanExhausted."""
        if self.calls > self.limit:
            raise PlanExhausted(retry_after_seconds=self.seconds_left)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Counts calls in minutes of the clock, the same for every edge."""

    tenants: Counting
    addresses: Counting
    stranger_calls: int
    clock: Callable[[], float] = time.time

    async def tenant(self, tenant_id: int, limit: int) -> Standing:
        """Counts a call of a tenant that may make `limit` a minute, 0 for any number."""
        now = int(self.clock())
        left = MINUTE_SECONDS - now % MINUTE_SECONDS
        if not limit:
            self.tenants.note(f"tenant:{tenant_id}", now // MINUTE_SECONDS)
            return Standing(limit=ANY_NUMBER, calls=0, seconds_left=left)
        calls = await self.tenants.add(f"tenant:{tenant_id}", now // MINUTE_SECONDS, limit)
        return Standing(limit=limit, calls=calls, seconds_left=left)

    async def made(self, tenant_id: int) -> int:
        """How many calls a tenant has made in this minute, as far as its plan let it."""
        return await self.tenants.made(f"tenant:{tenant_id}", int(self.clock()) // MINUTE_SECONDS)

    async def stranger(self, address: str) -> None:
        """Counts a call from an address without valid credentials. Raises AddressExhausted."""
        await self._stranger(network(address), int(self.clock()))

    @asynccontextmanager
    async def suspect(self, address: str) -> AsyncIterator[None]:
        """Counts the block as a stranger's call, unless it ends well or could not tell. Raises AddressExhausted."""
        name, now = network(address), int(self.clock())
        await self._stranger(name, now)
        try:
            yield
        except Unavailable:
            await self.addresses.take_back(name, now // MINUTE_SECONDS)
            raise
        await self.addresses.take_back(name, now // MINUTE_SECONDS)

    async def _stranger(self, name: str, now: int) -> None:
        if await self.addresses.add(name, now // MINUTE_SECONDS, self.stranger_calls) > self.stranger_calls:
            raise AddressExhausted(retry_after_seconds=MINUTE_SECONDS - now % MINUTE_SECONDS)
