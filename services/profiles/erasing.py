"""Erasing users: pass after pass over all stores, until one finds nothing any more."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.errors import NotFound
from services.kit.persons import person_of
from services.kit.postgres import Database
from services.kit.pseudonyms import Pseudonyms
from services.profiles import erasure_store, link_store

log = logging.getLogger("erasure")

CONNECTORS, LINKS = "connectors", "links"
# While a destination fails, a pass follows after a tenth of the time it took so far, within these bounds.
SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True, slots=True)
class Erased:
    """A store as the receipt shows it: what was erased, what was there when it was last looked at, and why still."""

    store: str
    erased: int
    remaining: int
    detail: str | None = None


class Stores(Protocol):
    """The other services, for one erasure in the current caller's tenant. Each raises Unavailable."""

    async def block(self, user_ids: Sequence[str], until: datetime) -> None:
        """Keeps the users' events out of the warehouse from now on."""

    async def erase(self, erasure_id: int, user_ids: Sequence[str]) -> tuple[Mapping[str, int], Erased]:
        """Erases the users everywhere: what there was, by store, and how far connectors are."""

    async def release(self, erasure_id: int, user_ids: Sequence[str]) -> None:
        """Lets in what happens later; the erasure is complete."""


class Queue(Protocol):
    """Where passes wait for a worker."""

    async def put(
        self, connection: AsyncConnection, *, tenant_id: int, erasure_id: int, delay_seconds: float = 0
    ) -> None:
        """Queues the next pass in the connection's transaction."""


def utc_now() -> datetime:
    """This instant, in whole milliseconds, as events have them."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class Erasures:
    """The erasures of all tenants, each of which sees its own."""

    def __init__(
        self,
        database: Database,
        pseudonyms: Pseudonyms,
        queue: Queue,
        *,
        grace_seconds: float,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._pseudonyms = pseudonyms
        self._queue = queue
        self._grace = timedelta(seconds=grace_seconds)
        self._now = now

    async def request(self, tenant_id: int, user_id: str) -> Row[Any]:
        """The erasure of a user under all their ids: the one that runs, or a new one."""
        async with self._database.tenant(tenant_id) as connection:
            # Nobody is linked to them meanwhile.
            await link_store.take_turn(connection, tenant_id)
            user_ids = (await person_of(connection, tenant_id, user_id)).user_ids
            if running := await erasure_store.find_running(connection, user_ids):
                return running
            erasure = await erasure_store.add(connection, tenant_id, user_ids, self._now())
            names = self._names(tenant_id, user_ids)
            await erasure_store.block(connection, tenant_id, names, erasure.requested_at)
            await self._queue.put(connection, tenant_id=tenant_id, erasure_id=erasure.id)
            return erasure

    async def find(self, tenant_id: int, erasure_id: int) -> Row[Any]:
        """An erasure. Raises NotFound."""
        async with self._database.tenant(tenant_id) as connection:
            erasure = await erasure_store.find(connection, erasure_id)
        if erasure is None:
            raise NotFound
        return erasure

    async def run(self, tenant_id: int, erasure_id: int, stores: Stores) -> None:
        """One pass, which completes the erasure or queues the next one. Raises Unavailable; then repeat it."""
        erasure = await self.find(tenant_id, erasure_id)
        if erasure.status == "complete":
            return
        async with self._database.tenant(tenant_id) as connection:
            await erasure_store.change(connection, erasure_id, {"status": "running"})
        began, user_ids = self._now(), erasure.user_ids
        await stores.block(user_ids, erasure.requested_at)
        found, connectors = await stores.erase(erasure_id, user_ids)
        async with self._database.tenant(tenant_id) as connection:
            found = {**found, LINKS: await erasure_store.delete_links(connection, user_ids)}
            receipt = added(erasure.stores, found, connectors)
            await erasure_store.change(connection, erasure_id, {"stores": receipt})
            may_end = began >= erasure.requested_at + self._grace
            is_clean = may_end and not any(found.values()) and not connectors.remaining
            if not is_clean:
                wait = self._wait(erasure, connectors)
                await self._queue.put(
                    connection, tenant_id=tenant_id, erasure_id=erasure_id, delay_seconds=wait.total_seconds()
                )
        if is_clean:
            await self._complete(tenant_id, erasure, stores)

    async def _complete(self, tenant_id: int, erasure: Row[Any], stores: Stores) -> None:
        async with self._database.tenant(tenant_id) as connection:
            others = set(await erasure_store.erased_by_others(connection, erasure.id))
        released = [user_id for user_id in erasure.user_ids if user_id not in others]
        await stores.release(erasure.id, released)
        async with self._database.tenant(tenant_id) as connection:
            await link_store.take_turn(connection, tenant_id)
            # Somebody may have asked for another one just now.
            others = set(await erasure_store.erased_by_others(connection, erasure.id))
            names = self._names(tenant_id, [user_id for user_id in released if user_id not in others])
            await erasure_store.release(connection, names)
            outcome = {"status": "complete", "completed_at": self._now(), "user_ids": []}
            await erasure_store.change(connection, erasure.id, outcome)
        log.info("an erasure is complete", extra={"tenant_id": tenant_id, "erasure_id": erasure.id})

    def _wait(self, erasure: Row[Any], connectors: Erased) -> timedelta:
        """How long the next pass waits."""
        age: timedelta = self._now() - erasure.requested_at
        if connectors.remaining:
            return min(max(age / 10, SHORTEST_WAIT), LONGEST_WAIT)
        return max(self._grace - age, timedelta())

    def _names(self, tenant_id: int, user_ids: Sequence[str]) -> list[bytes]:
        return [self._pseudonyms.name(tenant_id, user_id) for user_id in user_ids]


def added(receipt: Sequence[Mapping[str, Any]], found: Mapping[str, int], connectors: Erased) -> list[dict[str, Any]]:
    """The receipt with what a pass has found."""
    before = {entry["store"]: Erased(**entry) for entry in receipt}
    looked_at = [Erased(store=store, erased=count, remaining=count) for store, count in found.items()]
    for entry in looked_at:
        known = before.get(entry.store)
        before[entry.store] = replace(entry, erased=entry.erased + (known.erased if known else 0))
    # What they were told is forgotten when the erasure ends, which may have to be done twice.
    told = before.get(connectors.store, connectors).erased
    before[connectors.store] = replace(connectors, erased=max(connectors.erased, told))
    return [asdict(entry) for entry in before.values()]
