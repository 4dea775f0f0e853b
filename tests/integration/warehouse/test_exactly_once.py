"""Whatever is killed at whatever moment, every event is in the warehouse once."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.kit.errors import Unavailable
from services.kit.eventlog import DEDUP_HEADER, EventLog
from tests.integration.warehouse.processes import NATS, WAREHOUSE, Processes, Warehouse
from tests.integration.warehouse.rows import Event, derived_id, payload, rows

TENANT = 1
KILLS = 8
PAGE = 10_000


class Traffic:
    """Sends messages until it is told to stop, and remembers what was accepted.

    Every third message repeats message ids that were sent shortly before, some of them twice in the same message.
    """

    def __init__(self, log: EventLog, seed: int) -> None:
        self._log = log
        self._random = random.Random(seed)
        self._recent: list[str] = []
        self.accepted: set[uuid.UUID] = set()
        self.unanswered: set[uuid.UUID] = set()
        self.last_sequence = 0
        self.stopped = asyncio.Event()

    async def run(self) -> None:
        """Sends one message after the other."""
        while not self.stopped.is_set():
            repeatable = self._random.random() < 1 / 3
            events = [self._repeatable() if repeatable else self._event(uuid.uuid4()) for _ in range(200)]
            ids = {event.event_id for event in events}
            headers = {DEDUP_HEADER: "1"} if repeatable else None
            try:
                self.last_sequence = await self._log.append(TENANT, rows(TENANT, *events), headers)
                self.accepted |= ids
            except Unavailable:
                self.unanswered |= ids
            await asyncio.sleep(0.005)

    def _repeatable(self) -> Event:
        if not self._recent or self._random.random() < 0.6:
            self._recent = [*self._recent[-500:], uuid.uuid4().hex]
        return self._event(derived_id(TENANT, self._random.choice(self._recent)))

    def _event(self, event_id: uuid.UUID) -> Event:
        kind = self._random.choice(("page_viewed", "order_placed", "context_identified"))
        user_id = f"u{self._random.randrange(3)}"
        return Event(user_id=user_id, event_type=kind, event_id=event_id, payload=payload(id=str(event_id)))


@asynccontextmanager
async def traffic(processes: Processes) -> AsyncIterator[tuple[Traffic, Warehouse]]:
    """Traffic while the block runs; at its end the traffic has stopped and all of it is loaded."""
    warehouse = Warehouse(processes.settings, await EventLog.connect(processes.settings))
    sender = Traffic(warehouse.log, seed=1)
    sending = asyncio.create_task(sender.run())
    yield sender, warehouse
    sender.stopped.set()
    await sending
    await warehouse.loaded(sender.last_sequence)


async def stored(warehouse: Warehouse) -> Counter[uuid.UUID]:
    """How often each event id is stored, after checking that the users' totals agree."""
    metadata = warehouse.metadata(TENANT)
    ids: Counter[uuid.UUID] = Counter()
    users = await warehouse.stub.SearchUsers(pb.SearchUsersRequest(limit=10), metadata=metadata)
    for user in users.users:
        before = ids.total()
        for offset in range(0, user.event_count + 1, PAGE):
            request = pb.ListUserEventsRequest(user_id=user.user_id, limit=PAGE, offset=offset)
            page = await warehouse.stub.ListUserEvents(request, metadata=metadata)
            assert page.count == user.event_count
            ids.update(uuid.UUID(event.event_id) for event in page.events)
        assert ids.total() - before == user.event_count
    await warehouse.close()
    return ids


@pytest.mark.timeout(180)
async def test_a_warehouse_that_is_killed_again_and_again_stores_every_event_once(processes: Processes) -> None:
    processes.start(NATS, WAREHOUSE)
    moments = random.Random(2)
    async with traffic(processes) as (sender, warehouse):
        for _ in range(KILLS):
            await warehouse.loaded(sender.last_sequence)
            # The moment of the kill is what is tried out, not something that is waited for.
            await asyncio.sleep(moments.uniform(0, 0.6))
            processes.end(WAREHOUSE)
            processes.start(WAREHOUSE)
    assert await stored(warehouse) == Counter(sender.accepted)


@pytest.mark.timeout(180)
async def test_an_event_log_that_is_killed_loses_and_repeats_nothing_it_accepted(processes: Processes) -> None:
    processes.start(NATS, WAREHOUSE)
    async with traffic(processes) as (sender, warehouse):
        for _ in range(3):
            before = sender.last_sequence
            await warehouse.loaded(before)
            processes.end(NATS)
            processes.start(NATS)
            async with asyncio.timeout(20):
                while sender.last_sequence == before:
                    await asyncio.sleep(0.05)
    ids = await stored(warehouse)
    assert set(ids.values()) == {1}
    assert sender.accepted <= set(ids) <= sender.accepted | sender.unanswered
