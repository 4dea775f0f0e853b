"""Whatever is killed at whatever moment, every event is in the warehouse once, and accounted for."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from nats.errors import Error as NatsError

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.kit.errors import InDoubt, Unavailable
from services.kit.eventlog import DEDUP_HEADER, STREAM, EventLog
from tests.integration.warehouse.processes import NATS, WAREHOUSE, Processes, Warehouse
from tests.integration.warehouse.rows import Event, derived_id, payload, rows

TENANT = 1
KILLS = 3
PAGE = 10_000
RECEIVED_AT = datetime.now(UTC)


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
        # Events that were accepted, and those of which nobody knows.
        self.sent = 0
        self.doubtful = 0
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
                self.sent += len(events)
            except (InDoubt, Unavailable):
                self.unanswered |= ids
                self.doubtful += len(events)
            await asyncio.sleep(0.02)

    def _repeatable(self) -> Event:
        if not self._recent or self._random.random() < 0.6:
            self._recent = [*self._recent[-500:], uuid.uuid4().hex]
        return self._event(derived_id(TENANT, self._random.choice(self._recent)))

    def _event(self, event_id: uuid.UUID) -> Event:
        kind = self._random.choice(("page_viewed", "order_placed", "context_identified"))
        user_id = f"u{self._random.randrange(3)}"
        text = payload(id=str(event_id))
        return Event(user_id=user_id, event_type=kind, event_id=event_id, received_at=RECEIVED_AT, payload=text)


@asynccontextmanager
async def traffic(processes: Processes) -> AsyncIterator[tuple[Traffic, Warehouse]]:
    """Traffic while the block runs; at its end the traffic has stopped and all of it is loaded."""
    warehouse = Warehouse(processes.settings, await EventLog.connect(processes.settings))
    sender = Traffic(warehouse.log, seed=1)
    sending = asyncio.create_task(sender.run())
    yield sender, warehouse
    sender.stopped.set()
    await sending
    # Also what was stored without an answer.
    await warehouse.loaded(await last_stored(warehouse.log))


async def last_stored(log: EventLog) -> int:
    """The sequence of the last message in the log, once that answers."""
    async with asyncio.timeout(20):
        while True:
            try:
                return (await log.jetstream.stream_info(STREAM)).state.last_seq
            except NatsError:
                await asyncio.sleep(0.05)


async def stored(warehouse: Warehouse) -> Counter[uuid.UUID]:
    """How often each event id is stored, after checking that the users' totals agree."""
    metadata = warehouse.metadata(TENANT)
    ids: Counter[uuid.UUID] = Counter()
    users = await warehouse.stub.SearchUsers(pb.SearchUsersRequest(limit=10), metadata=metadata)
    for user in users.users:
        before = ids.total()
        for offset in range(0, user.event_count + 1, PAGE):
            request = pb.ListUserEventsRequest(user_ids=[user.user_id], limit=PAGE, offset=offset)
            page = await warehouse.stub.ListUserEvents(request, metadata=metadata)
            assert page.count == user.event_count
            ids.update(uuid.UUID(event.event_id) for event in page.events)
        assert ids.total() - before == user.event_count
    await warehouse.close()
    return ids


async def accounted(warehouse: Warehouse) -> tuple[int, int, int]:
    """How many events are stored, duplicate and skipped by the accounts."""
    begin, end = Timestamp(), Timestamp()
    begin.FromDatetime(RECEIVED_AT - timedelta(hours=1))
    end.FromDatetime(RECEIVED_AT + timedelta(hours=1))
    request = pb.GetIntakeRequest(**{"from": begin}, to=end)
    hours = (await warehouse.stub.GetIntake(request, metadata=warehouse.metadata(TENANT))).hours
    stored, duplicate, skipped = zip(*((hour.stored, hour.duplicate, hour.skipped) for hour in hours), strict=True)
    return sum(stored), sum(duplicate), sum(skipped)


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
    accounts = await accounted(warehouse)
    ids = await stored(warehouse)
    assert ids == Counter(sender.accepted)
    assert accounts == (ids.total(), sender.sent - ids.total(), 0)


@pytest.mark.timeout(180)
async def test_an_event_log_that_is_killed_loses_and_repeats_nothing_it_accepted(processes: Processes) -> None:
    processes.start(NATS, WAREHOUSE)
    async with traffic(processes) as (sender, warehouse):
        for _ in range(3):
            await warehouse.loaded(sender.last_sequence)
            processes.end(NATS)
            before = sender.last_sequence
            processes.start(NATS)
            async with asyncio.timeout(20):
                while sender.last_sequence == before:
                    await asyncio.sleep(0.05)
    ids = await stored(warehouse)
    assert set(ids.values()) == {1}
    assert sender.accepted <= set(ids) <= sender.accepted | sender.unanswered
