"""What webhooks are to be told is sent when it is due. The table of deliveries is the queue; a claim is a lease."""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from services.connectors import delivery_store, metrics
from services.connectors.sending import Sender, outcome
from services.connectors.sync_patience import Patience
from services.kit.ending import end
from services.kit.errors import Unavailable
from services.kit.postgres import Database
from services.kit.repeating import repeat

log = logging.getLogger("webhooks")

# Under way at a time. That few are of one webhook keeps a place for all others however long its receiver takes.
MOST_AT_ONCE = 500
MOST_OF_ONE = 5

# Between two looks for what is due.
LOOK_SECONDS = 0.5
# Beyond the timeout of the call, to record what became of it. After that another process takes it to have been lost.
RECORD_SECONDS = 10.0
# What is not done by then is sent again by the next process.
GRACE_SECONDS = 1.0


class Deliverer:
    """Sends what is due to webhooks of all tenants. Any number of processes may do so at the same time."""

    def __init__(self, database: Database, sender: Sender, patience: Patience) -> None:
        self._database = database
        self._sender = sender
        self._patience = patience
        self._lease = timedelta(seconds=sender.timeout_seconds + RECORD_SECONDS)
        # The webhook of each.
        self._under_way: dict[asyncio.Task[None], int] = {}

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Delivers within the block. At its end, what is under way has a grace to be done."""
        looking = asyncio.create_task(repeat(LOOK_SECONDS, self.deliver_due))
        try:
            yield
        finally:
            await end([looking])
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=GRACE_SECONDS)
            for task in list(self._under_way):
                task.cancel()

    async def deliver_due(self) -> None:
        """Begins to send what is due, as far as there is room. Raises Unavailable."""
        is_more = True
        while is_more and (room := MOST_AT_ONCE - len(self._under_way)):
            busy = [webhook_id for webhook_id, count in self._counts().items() if count >= MOST_OF_ONE]
            async with self._database.system() as connection:
                due = await delivery_store.due_deliveries(connection, room, MOST_OF_ONE, busy)
            began = [await self._begin(*batch) for batch in self._batches(due)]
            is_more = len(due) == room and any(began)

    def _counts(self) -> Counter[int]:
        return Counter(self._under_way.values())

    def _batches(self, due: Iterable[Row[int, int, UUID]]) -> Sequence[tuple[int, list[UUID]]]:
        """Of what is due, by tenants, as much as each webhook may have under way."""
        counts = self._counts()
        batches: defaultdict[int, list[UUID]] = defaultdict(list)
        for tenant_id, webhook_id, delivery_id in due:
            counts[webhook_id] += 1
            if counts[webhook_id] <= MOST_OF_ONE:
                batches[tenant_id].append(delivery_id)
        return list(batches.items())

    async def _begin(self, tenant_id: int, delivery_ids: Sequence[UUID]) -> int:
        """Claims deliveries of a tenant and begins to send them; how many there were to claim."""
        async with self._database.tenant(tenant_id) as connection:
            claimed = await delivery_store.claim_deliveries(connection, delivery_ids, self._lease)
        for delivery in claimed:
            task = asyncio.create_task(self._deliver(delivery))
            self._under_way[task] = delivery.webhook_id
            task.add_done_callback(self._under_way.pop)
        return len(claimed)

    async def _deliver(self, delivery: Row[Any]) -> None:
        with metrics.DELIVERY_SECONDS.time():
            attempt = await self._sender.send(delivery)
        columns = outcome(attempt, delivery, self._patience, datetime.now(UTC))
        try:
            async with self._database.tenant(delivery.tenant_id) as connection:
                await delivery_store.record_attempt(connection, delivery.id, delivery.next_attempt_at, columns)
        except Unavailable:
            log.warning("what became of a delivery could not be recorded; it is sent again", extra=_named(delivery))
            return
        metrics.DELIVERIES.labels(columns.get("status", "pending")).inc()
        if attempt.error:
            log.warning("a delivery failed: %s", attempt.error, extra=_named(delivery))


def _named(delivery: Row[Any]) -> Mapping[str, object]:
    return {"tenant_id": delivery.tenant_id, "webhook_id": delivery.webhook_id, "delivery_id": str(delivery.id)}
