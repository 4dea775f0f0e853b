"""The claim to answer a named request: one at a time over all processes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from services.kit import idempotency_store as store
from services.kit.errors import Conflict, Retryable, Unavailable, Unprocessable
from services.kit.idempotency_names import Named
from services.kit.postgres import Database

log = logging.getLogger("idempotency")

KEEP_SECONDS = 24 * 3600.0
# A process that is alive moves its claims on: one that was left behind keeps nobody waiting for long.
LEASE_SECONDS, RENEW_SECONDS = 3.0, 1.0


class KeyReused(Unprocessable):
    """This Idempotency-Key was sent before, with another body."""


class StillRunning(Conflict, Retryable):
    """The request with this Idempotency-Key is still running."""


class Claim:
    """A claim to one request. What it writes counts only while nobody took it over."""

    def __init__(self, database: Database, named: Named) -> None:
        self._database = database
        self._named = named
        self._holder = uuid4()

    async def take(self) -> store.Kept | None:
        """Takes the claim, or returns the answer of a request that came before.

        Raises KeyReused, StillRunning, and Unavailable.
        """
        named = self._named
        async with self._database.tenant(named.tenant_id) as connection:
            if await store.claim(connection, named, self._holder, LEASE_SECONDS):
                return None
            kept = await store.find(connection, named.id)
        if kept is not None and kept.body_hash != named.body_hash:
            raise KeyReused
        # Without a row it ended a moment ago and left no answer.
        if kept is None or kept.answer is None:
            raise StillRunning
        return kept

    @asynccontextmanager
    async def lasting(self) -> AsyncIterator[None]:
        """Makes the claim last within the block."""
        renewing = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            renewing.cancel()

    async def keep(self, answer: bytes, *, is_failure: bool) -> None:
        """Puts an answer in the claim's place for a day."""
        sealed = self._named.seal.encrypt(answer)
        await self._write(store.keep, sealed, is_failure, KEEP_SECONDS)

    async def release(self) -> None:
        """Gives the claim up."""
        await self._write(store.release)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self._write(store.renew, LEASE_SECONDS)

    async def _write(self, statement: Callable[..., Awaitable[None]], *values: object) -> None:
        """A database that is away is logged, for the work goes on or is done; the claim ends by itself."""
        try:
            async with self._database.tenant(self._named.tenant_id) as connection:
                await statement(connection, self._named.id, self._holder, *values)
        except Unavailable:
            log.warning("an answer could not be kept")
