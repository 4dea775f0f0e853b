"""How long after its answer an event can be queried, measured beside a load without adding much to it."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.gen.segops.warehouse.v1 import warehouse_pb2_grpc
from services.kit.channel import connect
from services.kit.eventlog import STREAM, EventLog
from tests.bench import load
from tests.bench.events import SINGLE_PATH
from tests.bench.platform import identity
from tests.running import Running

PERIOD_SECONDS = 0.2
POLL_SECONDS = 0.02
# Every so many markers one is also looked up through the edge, which costs the warehouse a query.
LOOKED_UP = 5
LOST_SECONDS = 60.0


class Visibility:
    """Sends marker events one by one and waits for each to be loaded.

    A marker is in the log when it is answered; the log's newest sequence at that moment is its own or a later one. When
    the warehouse has loaded up to there, the marker can be queried. So `lags`, in seconds, are upper bounds.
    """

    def __init__(self, running: Running, tenant_id: int, key: str) -> None:
        self._port = running.settings.edge_port
        self._settings = running.settings
        self._authorization = f"ApiKey {key}"
        self._metadata = identity(running.settings, tenant_id)
        self._loaded = 0
        self._moved = asyncio.Condition()
        self.lags: list[float] = []

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Follows the position of the warehouse during the block."""
        channel = connect(self._settings, "warehouse")
        self._log = await EventLog.connect(self._settings)
        following = asyncio.create_task(self._follow(warehouse_pb2_grpc.WarehouseServiceStub(channel)))
        try:
            yield
        finally:
            following.cancel()
            await self._log.close()
            await channel.close()

    async def mark(self, seconds: float) -> None:
        """Sends markers for so many seconds and returns when each can be queried."""
        end = time.perf_counter() + seconds
        async with asyncio.TaskGroup() as group:
            while time.perf_counter() < end:
                marker = f"marker_{secrets.token_hex(8)}"
                await self._send(marker)
                look_up = len(self.lags) % LOOKED_UP == 0
                group.create_task(self._wait(marker, time.perf_counter(), look_up))
                await asyncio.sleep(PERIOD_SECONDS)

    async def all_loaded(self) -> None:
        """Returns when everything that is in the log now can be queried. Raises TimeoutError."""
        newest = await self._newest()
        async with asyncio.timeout(LOST_SECONDS), self._moved:
            await self._moved.wait_for(lambda: self._loaded >= newest)

    async def _send(self, marker: str) -> None:
        event = {"user_id": marker, "event_type": "marker", "payload": {}}
        body = json.dumps(event).encode()
        await self._ask(load.request("POST", SINGLE_PATH, authorization=self._authorization, body=body), 202)

    async def _wait(self, marker: str, answered_at: float, look_up: bool) -> None:
        await self.all_loaded()
        self.lags.append(time.perf_counter() - answered_at)
        if look_up:
            path = f"/api/explorer/users/{marker}/"
            await self._ask(load.request("GET", path, authorization=self._authorization), 200)

    async def _ask(self, request: bytes, status: int) -> None:
        connection = await load.connect(self._port)
        answer = await connection.ask(request)
        connection.close()
        if answer.status != status:
            raise load.LoadFailed(f"a marker was answered {answer.status} {answer.body.decode(errors='replace')}")

    async def _newest(self) -> int:
        return (await self._log.jetstream.stream_info(STREAM)).state.last_seq

    async def _follow(self, warehouse: "warehouse_pb2_grpc.WarehouseServiceAsyncStub") -> None:
        while True:
            position = await warehouse.GetLoadPosition(pb.GetLoadPositionRequest(), metadata=self._metadata)
            async with self._moved:
                self._loaded = position.sequence
                self._moved.notify_all()
            await asyncio.sleep(POLL_SECONDS)
