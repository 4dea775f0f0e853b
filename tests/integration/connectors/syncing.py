"""Connectors to a tool in memory, and their syncs, run one by one as a worker would."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.connectors.addresses import AllowList
from services.connectors.destinations.interface import Means
from services.connectors.editing import Activations
from services.connectors.outbound import Outbound
from services.connectors.queueing import queue_syncs
from services.connectors.sync import TURN, Syncer
from services.connectors.sync_destinations import Destinations
from services.connectors.sync_patience import Patience
from services.connectors.sync_steps import WINDOW_ROWS
from services.kit.postgres import Database
from services.kit.vault import Vault
from services.schema.connectors import activation_logs
from tests.integration.connectors.ledger import Segment
from tests.integration.connectors.outside import SECRET, Tool
from tests.integration.connectors.rows import row_of

VAULT = Vault(["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="])
PATIENCE = Patience(first=timedelta(seconds=5), longest=timedelta(minutes=10), give_up=timedelta(hours=24))


class Waiting:
    """The syncs that wait, by connector, each with the seconds until it starts."""

    def __init__(self) -> None:
        self.syncs: dict[int, float] = {}

    async def put_sync(
        self, connection: AsyncConnection, *, tenant_id: int, activation_id: int, delay_seconds: float = 0
    ) -> None:
        self.syncs[activation_id] = delay_seconds


class Clock:
    """The time, which a test may put forward."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


class Syncing:
    """A tenant's connectors to a tool, and a worker that runs their syncs when told."""

    def __init__(
        self,
        database: Database,
        tenant_id: int,
        tool: Tool,
        *,
        turn: timedelta = TURN,
        window_rows: int = WINDOW_ROWS,
    ) -> None:
        self.tenant_id = tenant_id
        self.waiting = Waiting()
        self.clock = Clock()
        outbound = Outbound(AllowList())
        means = Means(outbound=outbound, files_url=Path("/nowhere").as_uri(), klaviyo_url="https://nowhere.example")
        types = {"tool": tool.kind}
        self.connectors = Activations(database, VAULT, self.waiting, types, outbound)
        destinations = Destinations(types, VAULT, means)
        self.syncer = Syncer(
            database, destinations, self.waiting, PATIENCE, turn=turn, window_rows=window_rows, now=self.clock
        )
        self._database = database

    async def connector(self, segment: Segment, **config: object) -> int:
        """A new connector, active."""
        sent = {"segment": segment.id, "connector_type": "tool", "config": {"api_key": SECRET, **config}}
        created = await self.connectors.create(self.tenant_id, sent)
        await self.change(created.id, status="active")
        return int(created.id)

    async def change(self, activation_id: int, **sent: object) -> None:
        """What its owner changes of a connector."""
        await self.connectors.change(self.tenant_id, activation_id, sent)

    async def compute(self, segment: Segment, members: Sequence[str]) -> None:
        """A compute of a segment, of which connectors are told."""
        await segment.compute(members)
        async with self._database.tenant(self.tenant_id) as connection:
            await queue_syncs(connection, self.waiting, segment.id)

    async def run(self, activation_id: int) -> Row[Any]:
        """What a worker does with the sync that waits; the connector after it."""
        del self.waiting.syncs[activation_id]
        await self.syncer.run(self.tenant_id, activation_id)
        return await self.row(activation_id)

    async def row(self, activation_id: int) -> Row[Any]:
        """A connector's row."""
        return await row_of(self._database, self.tenant_id, activation_id)

    async def logs(self, activation_id: int) -> list[Row[Any]]:
        """A connector's attempts, in order."""
        mine = activation_logs.c.activation_id == activation_id
        async with self._database.tenant(self.tenant_id) as connection:
            found = await connection.execute(select(activation_logs).where(mine).order_by(activation_logs.c.id))
            return list(found)
