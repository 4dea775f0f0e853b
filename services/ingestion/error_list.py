"""The list of refused events: written in the background, so that taking events never waits for PostgreSQL."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingestion import erasure_store, store
from services.ingestion.store import EventError
from services.ingestion.times import utc_text
from services.kit.ending import end
from services.kit.errors import Unavailable
from services.kit.paging import Page
from services.kit.postgres import Database
from services.kit.pseudonyms import Pseudonyms

log = logging.getLogger("error_list")

KEPT_DAYS = 7
# About 10 MB of text while PostgreSQL is away; more is dropped and counted in the log.
MAX_WAITING = 20_000
MAX_PER_WRITE = 2_000
RETRY_SECONDS = 1.0
FORGET_SECONDS = 3600.0
CLOSE_SECONDS = 2.0


class ErrorList:
    """Refused events of all tenants. Those not yet written are lost when the process dies."""

    def __init__(self, database: Database, pseudonyms: Pseudonyms) -> None:
        self._database = database
        self._pseudonyms = pseudonyms
        self._waiting: deque[tuple[int, EventError]] = deque()
        self._arrived = asyncio.Event()
        self._dropped = 0
        self._tasks = [asyncio.create_task(self._keep_writing()), asyncio.create_task(self._keep_forgetting())]

    def add(self, tenant_id: int, errors: Sequence[EventError]) -> None:
        """Takes errors to be written soon."""
        room = MAX_WAITING - len(self._waiting)
        self._waiting.extend((tenant_id, error) for error in errors[:room])
        self._dropped += max(0, len(errors) - room)
        self._arrived.set()

    async def page(self, tenant_id: int, page: Page, event_type: str = "") -> tuple[int, list[EventError]]:
        """How many errors a tenant has, of an event type if one is given, and a page of them, newest first.

        Raises Unavailable.
        """
        since = datetime.now(UTC) - timedelta(days=KEPT_DAYS)
        async with self._database.tenant(tenant_id) as connection:
            count = await store.count_errors(connection, since, event_type)
            errors = await store.list_errors(connection, since, event_type, limit=page.limit, offset=page.offset)
            return count, errors

    async def close(self) -> None:
        """Writes what waits, as far as that takes no longer than two seconds."""
        await end(self._tasks)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._write_waiting()
        except (Unavailable, TimeoutError):
            log.warning("refused events were not listed", extra={"count": len(self._waiting)})

    async def _keep_writing(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            try:
                await self._write_waiting()
            except Unavailable:
                self._arrived.set()
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:
                log.exception("refused events could not be listed", extra={"count": len(self._waiting)})
                self._waiting.clear()

    async def _write_waiting(self) -> None:
        if self._dropped:
            log.warning("refused events were not listed", extra={"count": self._dropped})
            self._dropped = 0
        while self._waiting:
            some = [self._waiting[index] for index in range(min(len(self._waiting), MAX_PER_WRITE))]
            for tenant_id, pairs in groupby(sorted(some, key=itemgetter(0)), key=itemgetter(0)):
                async with self._database.tenant(tenant_id) as connection:
                    errors = await self._unnamed(connection, tenant_id, [error for _, error in pairs])
                    await store.add_errors(connection, tenant_id, errors)
            for _ in some:
                self._waiting.popleft()

    async def _unnamed(
        self, connection: AsyncConnection, tenant_id: int, errors: Sequence[EventError]
    ) -> list[EventError]:
        """The errors without the names of users who were erased while they waited, here or in another process."""
        names = {error.user_id: self._pseudonyms.name(tenant_id, error.user_id) for error in errors}
        until = await erasure_store.erased_until(connection, names.values())
        return [
            replace(error, user_id="") if utc_text(error.received_at) <= until.get(names[error.user_id], "") else error
            for error in errors
        ]

    async def _keep_forgetting(self) -> None:
        while True:
            try:
                async with self._database.system() as connection:
                    await store.forget_errors(connection, KEPT_DAYS)
                await asyncio.sleep(FORGET_SECONDS)
            except Exception as error:
                log.warning("old errors could not be forgotten: %r", error)
                await asyncio.sleep(RETRY_SECONDS)
