"""A warehouse with as little memory as it may have: definitions that need more, while events come in."""

import asyncio
import json
from pathlib import Path

import grpc

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.kit.eventlog import EventLog
from tests.bench import alone
from tests.bench.alone import Alone
from tests.integration.warehouse.processes import NATS, WAREHOUSE, Processes, Warehouse
from tests.integration.warehouse.rows import Event, payload, rows

MEMORY_MIB = 1024
WIDE, LONG, LOADED = 1, 2, 3

INSERT = """
INSERT INTO events (tenant_id, user_id, event_type, occurred_at, received_at, event_id, payload)
SELECT {tenant}, {user}, 'order_placed', toDateTime64(1760000000 + number, 3, 'UTC') AS at, at, generateUUIDv4(),
  {payload}
FROM numbers({first}, {count})
SETTINGS insert_deduplication_token = '{first}', max_block_size = {block}
"""
# The latest payloads of all users are 320 MB; a definition may take 256 MiB.
USERS, PART = 40_000, 10_000
NOTE = """'{"note":"' || repeat(hex(cityHash64(number)), 500) || '"}'"""
# One user's history, which cannot be written to disk in pieces: 8 bytes an event, several times.
STEPS = 2_500_000


def fill(directory: Path) -> None:
    """Stores more than fits into the memory that definitions have."""
    with Alone(directory) as engine:
        for first in range(0, USERS, PART):
            wide = {"tenant": WIDE, "user": "'u' || toString(number)", "payload": NOTE, "block": 1000}
            engine.run(alone.command, INSERT.format(first=first, count=PART, **wide))
        long = {"tenant": LONG, "user": "'u'", "payload": "'{}'", "block": 65_536}
        engine.run(alone.command, INSERT.format(first=STEPS, count=STEPS, **long))


def definition(**condition: object) -> str:
    return json.dumps({"logic": "AND", "conditions": [condition]})


LATEST = definition(type="event_property", event_type="order_placed", property="note", operator="is_set")
STRICT = definition(
    type="event_sequence", events=["order_placed", "order_placed", "order_placed"], window_days=1, strict=True
)


class Loading:
    """Sends events of one user until it is told to stop."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self.stopped = asyncio.Event()

    async def run(self) -> None:
        """Returns when all of them can be found, each once."""
        sent = 0
        while not self.stopped.is_set():
            events = [Event(payload=payload(text="x" * 1000)) for _ in range(5000)]
            await self._warehouse.loaded(await self._warehouse.log.append(LOADED, rows(LOADED, *events)))
            sent += len(events)
        metadata = self._warehouse.metadata(LOADED)
        user = await self._warehouse.stub.GetUser(pb.GetUserRequest(user_ids=["u"]), metadata=metadata)
        assert user.event_count == sent


async def matched(warehouse: Warehouse, tenant: int, definition: str) -> int | grpc.StatusCode:
    """How many users match, or how the warehouse refused to tell."""
    request = pb.PreviewDefinitionRequest(evaluation=pb.Evaluation(definition=definition))
    try:
        return int((await warehouse.stub.PreviewDefinition(request, metadata=warehouse.metadata(tenant))).matched_users)
    except grpc.aio.AioRpcError as error:
        return error.code()


def peak_mib(pid: int) -> int:
    """The most memory a process ever had."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


async def test_definitions_that_need_more_than_there_is_spill_or_fail_and_loading_goes_on(processes: Processes) -> None:
    fill(processes.settings.home / "warehouse")
    processes.start(NATS, WAREHOUSE, SEGOPS_WAREHOUSE_MEMORY_MIB=str(MEMORY_MIB))
    warehouse = Warehouse(processes.settings, await EventLog.connect(processes.settings))
    await warehouse.loaded(await warehouse.log.append(LOADED, rows(LOADED, Event(user_id="first"))))
    pid = processes.pid(WAREHOUSE)
    loading = Loading(warehouse)
    ends = asyncio.create_task(loading.run())

    wide, long = await asyncio.gather(matched(warehouse, WIDE, LATEST), matched(warehouse, LONG, STRICT))
    assert wide == USERS
    assert long in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE)
    assert await matched(warehouse, WIDE, LATEST) == USERS

    loading.stopped.set()
    await ends
    assert processes.is_running(WAREHOUSE)
    assert peak_mib(pid) <= MEMORY_MIB
    await warehouse.close()
