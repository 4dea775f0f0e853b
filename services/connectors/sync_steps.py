"""The steps of a sync: which one comes next, how far it has come, and its end, each in one transaction."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from services.connectors import metrics, store, sync_ledger_store, sync_store
from services.connectors.destinations.interface import Destination, Skipped
from services.connectors.queueing import may_sync
from services.connectors.sync_chunks import Accepted, Changed
from services.connectors.sync_destinations import Destinations
from services.connectors.sync_difference import Difference
from services.connectors.sync_failures import Failures
from services.connectors.sync_ledger_store import Change
from services.connectors.sync_patience import public_text
from services.connectors.sync_position import Position, State, next_position
from services.connectors.sync_store import Place
from services.kit.postgres import Database

log = logging.getLogger("sync")

# Rows of the ledger read at a time, and for how many such windows is looked ahead.
WINDOW_ROWS, WINDOWS = 10_000, 100

NOTHING_TO_DO = {"is_syncing": False, "sync_once": False, "attempts": 0, "failing_since": None}


@dataclass(kw_only=True, slots=True)
class Step:
    """A way to a target, or back from it; `position` moves along. `is_over`: it must not be gone on with."""

    activation: Row[Any]
    position: Position
    destination: Destination
    is_over: bool = False

    @property
    def place(self) -> Place:
        """Where the connector is, unless somebody else moved it."""
        activation = self.activation
        return Place(activation_id=activation.id, number=activation.sync_number, through=self.position.through)

    def is_of(self, activation: Row[Any]) -> bool:
        """Whether a connector, as it is now, still goes the way on which the step is."""
        began = self.activation
        is_same = (activation.revision, activation.segment_id) == (began.revision, began.segment_id)
        return is_same and may_sync(activation)


class Steps:
    """Steps of all connectors. Raises Changed when the connector is not any more what it was when a step began."""

    def __init__(
        self,
        database: Database,
        destinations: Destinations,
        failures: Failures,
        *,
        window_rows: int,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._destinations = destinations
        self._failures = failures
        self._window_rows = window_rows
        self._now = now

    async def begin(self, tenant_id: int, activation_id: int) -> Step | None:
        """The next step of a connector; None when there is none, or it failed at once: this sync has ended then."""
        async with self._database.tenant(tenant_id) as connection:
            activation = await store.lock_activation(connection, activation_id)
            if activation is None or not activation.is_syncing:
                return None
            names = await sync_store.segment_names(connection, activation)
            try:
                position = self._next(activation) if may_sync(activation) else None
                destination = self._open(activation, position, names) if position else None
            except Exception as error:
                await self._failures.record(connection, activation, error)
                return None
            if position is None or destination is None:
                # Under the row's lock: whoever computed the segment since then waits to see that no sync runs.
                await store.change_activation(connection, activation_id, NOTHING_TO_DO)
                return None
            if position != Position.of(activation):
                columns = {**position.columns, "sync_number": activation.sync_number + 1}
                activation = await store.change_activation(connection, activation_id, columns)
            return Step(activation=activation, position=position, destination=destination)

    async def window_ends(self, step: Step, difference: Difference, *, after: str, last: str) -> Sequence[str]:
        """The users with whom the next windows after one end, in order; `last` is the end of the last ones."""
        async with self._database.tenant(step.activation.tenant_id) as connection:
            return await sync_ledger_store.window_ends(
                connection, difference, after=after, last=last, rows=self._window_rows, windows=WINDOWS
            )

    async def read(self, step: Step, difference: Difference, *, after: str, through: str) -> Sequence[Change]:
        """The changes of users after one up to another, in order. They may be sent from now on."""
        async with self._database.tenant(step.activation.tenant_id) as connection:
            changes = await sync_ledger_store.changes_between(connection, difference, after=after, through=through)
            if changes:
                announced = await sync_store.announce(connection, step.place, changes[-1][0])
                if announced is None or not step.is_of(announced):
                    raise Changed
        return changes

    async def accept(self, step: Step, accepted: Sequence[Accepted]) -> None:
        """Moves the position behind chunks that follow it and that were accepted, also when the connector is paused."""
        skipped = [user for chunk in accepted for user in chunk.skipped]
        through = accepted[-1].through
        async with self._database.tenant(step.activation.tenant_id) as connection:
            moved = await sync_store.move(
                connection,
                step.place,
                through=through,
                added=sum(chunk.entered for chunk in accepted),
                removed=sum(chunk.exited for chunk in accepted),
                skipped=len(skipped),
                skip_reason=_words(skipped[0]) if skipped else None,
            )
        if moved is None:
            raise Changed
        metrics.CHANGES.inc(sum(chunk.entered + chunk.exited for chunk in accepted))
        metrics.SKIPPED.inc(len(skipped))
        step.position = replace(step.position, through=through)
        step.is_over = not step.is_of(moved)

    async def complete(self, step: Step) -> None:
        """Everybody on the way was accepted: the target becomes what was sent, and is logged."""
        async with self._database.tenant(step.activation.tenant_id) as connection:
            activation = await store.lock_activation(connection, step.activation.id)
            if activation is None or Place.of(activation) != step.place:
                raise Changed
            position = step.position.completed
            # Users in the middle zone may have been counted wrong on the way.
            user_count = await sync_store.member_count(connection, position.sent)
            columns = {**position.columns, "user_count": user_count}
            if step.position.is_whole_sync:
                columns |= {"last_synced_at": self._now(), "last_error": None, "attempts": 0, "failing_since": None}
            changed = await store.change_activation(connection, activation.id, columns)
            if step.position.is_whole_sync:
                logged = {"status": "success", "error_message": _note(changed), "attempt": activation.attempts + 1}
                await sync_store.add_log(connection, changed, logged)
        if step.position.is_whole_sync:
            metrics.SYNCS.labels("complete").inc()
        told = {name: getattr(changed, name) for name in ("tenant_id", "segment_id", "added", "removed", "user_count")}
        log.info("a step of a sync is complete", extra={"activation_id": changed.id, **told})

    def _next(self, activation: Row[Any]) -> Position | None:
        wanted = State(segment_id=activation.segment_id, run_id=activation.last_run_id or 0)

        def is_same_place(segment_id: int, other_id: int) -> bool:
            place = self._destinations.place
            return place(activation, segment_id) == place(activation, other_id)

        return next_position(Position.of(activation), wanted, is_same_place)

    def _open(self, activation: Row[Any], position: Position, names: Mapping[int, str]) -> Destination:
        assert position.target is not None
        segment_id = position.target.segment_id
        return self._destinations.open(activation, segment_id, names[segment_id])


def _note(activation: Row[Any]) -> str | None:
    """What the owner should know of a sync that was complete."""
    if not activation.skipped:
        return None
    return f"Left out by the destination: {activation.skipped:,} of the users. One of them: {activation.skip_reason}"


def _words(skipped: Skipped) -> str:
    return public_text(f"{skipped.user_id}: {skipped.reason}" if skipped.user_id else skipped.reason, ())
