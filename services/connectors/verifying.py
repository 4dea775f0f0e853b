"""The drift check: who is in a destination beside who was sent there, and making it right."""

import asyncio
import math
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.connectors import store, sync_ledger_store, sync_store
from services.connectors.destinations.interface import Chunk, Entry, Readable, Refused, TryLater
from services.connectors.drift import Drift, some
from services.connectors.queueing import Queue, may_sync
from services.connectors.sync_destinations import Destinations
from services.connectors.sync_difference import difference
from services.connectors.sync_ledger_store import END
from services.connectors.sync_patience import public_text
from services.connectors.sync_position import NOBODY, Position, State
from services.connectors.sync_steps import NOTHING_TO_DO, WINDOW_ROWS, WINDOWS
from services.kit.errors import Conflict, Invalid, NotFound, Unavailable
from services.kit.postgres import Database
from services.kit.repeating import repeat

# Ids of each kind in an answer.
SHOWN = 100
# Entries and users compared at a time.
PART = 5_000

# No sync begins for so long after the last sign of life.
HOLD_SECONDS = 120.0
RENEW_SECONDS = 30.0


class NotReadable(Invalid):
    """Destinations of this type cannot be read back."""

    def __init__(self) -> None:
        super().__init__(detail=type(self).__doc__ or "")


class NeverSynced(Invalid):
    """The connector has not been synced yet."""

    def __init__(self) -> None:
        super().__init__(detail=type(self).__doc__ or "")


class Syncing(Conflict):
    """A sync of the connector waits or runs, or is not complete; verify it after that."""


class ChangedMeanwhile(Conflict):
    """The connector was changed while it was verified; verify it again."""


class NotTaken(Invalid):
    """The destination cannot be called as the connector is configured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """How many users should be in the destination and are, should and are not, and are and should not, by id.

    Of those ids the first hundred. `repaired`: whether what differs was sent.
    """

    matching: int
    missing: int
    extra: int
    missing_user_ids: Sequence[str]
    extra_user_ids: Sequence[str]
    repaired: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    """A connector that is verified; no sync of it begins meanwhile."""

    activation: Row[Any]
    destination: Readable

    @property
    def sent(self) -> State:
        """The membership that was sent there."""
        return Position.of(self.activation).sent


class Verifier:
    """Verifies the connectors of all tenants, each of which sees its own."""

    def __init__(self, database: Database, destinations: Destinations, queue: Queue) -> None:
        self._database = database
        self._destinations = destinations
        self._queue = queue

    async def verify(self, tenant_id: int, activation_id: int, *, repair: bool) -> Verification:
        """Compares, and with `repair` sends what differs: also what another tool put there is removed then.

        Users whom the destination never takes are missing every time. Raises NotFound, NotReadable, NeverSynced,
        Syncing, ChangedMeanwhile, NotTaken or Unavailable.
        """
        async with self._holding(tenant_id, activation_id) as held, self._telling(held):
            with (
                tempfile.TemporaryDirectory(prefix="segops-") as directory,
                closing(await asyncio.to_thread(Drift, Path(directory, "drift"))) as drift,
            ):
                await self._read(held, drift)
                await self._expect(held, drift)
                await self._renew(held)
                found = await asyncio.to_thread(_found, drift, repaired=repair)
                if repair:
                    await self._repair(held, drift)
        return found

    @asynccontextmanager
    async def _holding(self, tenant_id: int, activation_id: int) -> AsyncIterator[_Held]:
        """Keeps syncs from beginning within the block: one waits, and begins when nobody puts it off any more."""
        async with self._database.tenant(tenant_id) as connection:
            activation = await store.lock_activation(connection, activation_id)
            if activation is None:
                raise NotFound
            destination = await self._open(connection, activation)
            begun = {"is_syncing": True, "attempts": 0, "failing_since": None}
            activation = await store.change_activation(connection, activation_id, begun)
            await self._put_sync(connection, activation, HOLD_SECONDS)
        held = _Held(activation=activation, destination=destination)
        renewing = asyncio.create_task(repeat(RENEW_SECONDS, partial(self._renew, held)))
        try:
            yield held
        finally:
            renewing.cancel()
            await self._let_go(activation)

    async def _let_go(self, began: Row[Any]) -> None:
        """A sync begins at once if there is something to sync; else none waits any more."""
        async with self._database.tenant(began.tenant_id) as connection:
            activation = await store.lock_activation(connection, began.id)
            if activation is None:
                return
            wanted = State(segment_id=activation.segment_id, run_id=activation.last_run_id or 0)
            if Position.of(activation).sent == wanted or not may_sync(activation):
                await store.change_activation(connection, began.id, NOTHING_TO_DO)
            else:
                await self._put_sync(connection, activation, 0)

    async def _open(self, connection: AsyncConnection, activation: Row[Any]) -> Readable:
        """The destination of a connector that may be verified."""
        position = Position.of(activation)
        names = await sync_store.segment_names(connection, activation)
        segment_id = position.sent.segment_id or activation.segment_id
        try:
            destination = self._destinations.open(activation, segment_id, names[segment_id])
        except Refused as error:
            raise NotTaken(detail=str(error)) from error
        if not isinstance(destination, Readable):
            raise NotReadable
        if activation.is_syncing or position.target is not None:
            raise Syncing
        if position.sent == NOBODY:
            raise NeverSynced
        return destination

    async def _renew(self, held: _Held) -> None:
        """Puts the sync that waits off again. Raises ChangedMeanwhile."""
        began = held.activation
        async with self._database.tenant(began.tenant_id) as connection:
            activation = await store.lock_activation(connection, began.id)
            if activation is None or _way(activation) != _way(began):
                raise ChangedMeanwhile
            await self._put_sync(connection, activation, HOLD_SECONDS)

    async def _put_sync(self, connection: AsyncConnection, activation: Row[Any], delay_seconds: float) -> None:
        await self._queue.put_sync(
            connection, tenant_id=activation.tenant_id, activation_id=activation.id, delay_seconds=delay_seconds
        )

    @asynccontextmanager
    async def _telling(self, held: _Held) -> AsyncIterator[None]:
        """Turns failures of the destination into our own."""
        try:
            yield
        except (Refused, TryLater) as error:
            text = public_text(str(error), self._destinations.secrets(held.activation))
            if isinstance(error, Refused):
                raise NotTaken(detail=text) from error
            raise Unavailable(text, retry_after_seconds=max(1, math.ceil(error.seconds or 0))) from error

    async def _read(self, held: _Held, drift: Drift) -> None:
        part: list[Entry] = []
        async with aclosing(held.destination.entries()) as entries:
            async for entry in entries:
                part.append(entry)
                if len(part) == PART:
                    await asyncio.to_thread(drift.add_entries, part)
                    part = []
        await asyncio.to_thread(drift.add_entries, part)

    async def _expect(self, held: _Held, drift: Drift) -> None:
        members, name = difference(NOBODY, held.sent), held.destination.name
        after = ""
        while after < END:
            async with self._database.tenant(held.activation.tenant_id) as connection:
                ends = await sync_ledger_store.window_ends(
                    connection, members, after=after, last=END, rows=WINDOW_ROWS, windows=WINDOWS
                )
            for end in ends:
                async with self._database.tenant(held.activation.tenant_id) as connection:
                    users = await sync_ledger_store.changes_between(connection, members, after=after, through=end)
                await asyncio.to_thread(drift.add_users, [(name(user_id), user_id) for user_id, _ in users])
                after = end

    async def _repair(self, held: _Held, drift: Drift) -> None:
        destination = held.destination
        most = destination.chunk_users
        missing, extra = drift.missing(), drift.extra_handles()
        while users := await asyncio.to_thread(some, missing, most):
            await self._renew(held)
            await destination.send(Chunk(id=uuid4(), entered=users, exited=()))
        while handles := await asyncio.to_thread(some, extra, most):
            await self._renew(held)
            await destination.remove(handles)
        await destination.finish()


def _found(drift: Drift, *, repaired: bool) -> Verification:
    matching, missing, extra = drift.counts()
    return Verification(
        matching=matching,
        missing=missing,
        extra=extra,
        missing_user_ids=some(drift.missing(), SHOWN),
        extra_user_ids=some(drift.extra(), SHOWN),
        repaired=repaired,
    )


def _way(activation: Row[Any]) -> tuple[object, ...]:
    """What must not change while a connector is verified."""
    return Position.of(activation), activation.sync_number, activation.revision, activation.is_syncing
