"""Syncing a connector: what changed since it was synced last goes to its destination, until nothing is left."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial

from services.connectors import store
from services.connectors.queueing import Queue
from services.connectors.removals import Removals
from services.connectors.sync_chunks import Changed, cut, send_in_order
from services.connectors.sync_destinations import Destinations
from services.connectors.sync_difference import difference
from services.connectors.sync_failures import Failures
from services.connectors.sync_ledger_store import END, Change
from services.connectors.sync_patience import Patience
from services.connectors.sync_steps import WINDOW_ROWS, Step, Steps
from services.kit.errors import Unavailable
from services.kit.postgres import Database

# A sync that goes on for longer makes way for others that wait for a worker.
TURN = timedelta(seconds=60)
PAUSE_SECONDS = 1.0


class TurnIsOver(Changed):
    """The sync goes on after others had their turn."""


def utc_now() -> datetime:
    """This instant."""
    return datetime.now(UTC)


class Syncer:
    """Runs syncs. Any number of connectors may be synced at once, each by one sync at a time."""

    def __init__(
        self,
        database: Database,
        destinations: Destinations,
        queue: Queue,
        patience: Patience,
        *,
        turn: timedelta = TURN,
        window_rows: int = WINDOW_ROWS,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._queue = queue
        self._failures = Failures(destinations, queue, patience, now)
        self._removals = Removals(database, destinations, patience, now)
        self._steps = Steps(database, destinations, self._failures, window_rows=window_rows, now=now)
        self._turn = turn
        self._now = now

    async def run(self, tenant_id: int, activation_id: int) -> None:
        """Syncs a connector that waits for it, or records why it cannot be synced and queues the next attempt.

        First the destination is told of users who were erased. Raises Unavailable when our own database is away.
        """
        ends = self._now() + self._turn
        await self._removals.tell(tenant_id, activation_id)
        while step := await self._steps.begin(tenant_id, activation_id):
            try:
                await self._go(step, ends)
            except TurnIsOver:
                await self._make_way(step)
                return
            except Changed:
                continue
            except Unavailable:
                raise
            except Exception as error:
                if await self._record(step, error):
                    return

    async def _go(self, step: Step, ends: datetime) -> None:
        """Goes all of the step's way. The position follows, chunk by chunk."""
        sync = f"{step.place.activation_id}/{step.place.number}"
        async with aclosing(self._pieces(step, ends)) as pieces:
            await send_in_order(step.destination, sync, pieces, partial(self._steps.accept, step))
        await step.destination.finish()
        await self._steps.complete(step)

    async def _pieces(self, step: Step, ends: datetime) -> AsyncGenerator[Sequence[Change]]:
        """What is left to send on the step's way, as long as it may be sent."""
        began = step.position
        async with (
            aclosing(self._windows(step)) as windows,
            aclosing(cut(windows, step.destination.chunk_users)) as pieces,
        ):
            async for piece in pieces:
                if step.is_over:
                    raise Changed
                if self._now() >= ends and step.position != began:
                    raise TurnIsOver
                yield piece

    async def _windows(self, step: Step) -> AsyncGenerator[Sequence[Change]]:
        """What is left to send on the step's way, some thousands at a time."""
        position = step.position
        assert position.target is not None
        if position.is_reverting:
            found, last = difference(position.target, position.sent), position.tried
        else:
            found, last = difference(position.sent, position.target), END
        after = position.through
        while after < last:
            for through in await self._steps.window_ends(step, found, after=after, last=last):
                yield await self._steps.read(step, found, after=after, through=through)
                after = through

    async def _record(self, step: Step, error: Exception) -> bool:
        """Records a failed attempt; False when the connector was changed meanwhile: it may not fail any more."""
        async with self._database.tenant(step.activation.tenant_id) as connection:
            activation = await store.lock_activation(connection, step.activation.id)
            if activation is None or not step.is_of(activation):
                return False
            await self._failures.record(connection, activation, error)
            return True

    async def _make_way(self, step: Step) -> None:
        activation = step.activation
        async with self._database.tenant(activation.tenant_id) as connection:
            await self._queue.put_sync(
                connection,
                tenant_id=activation.tenant_id,
                activation_id=activation.id,
                delay_seconds=PAUSE_SECONDS,
            )
